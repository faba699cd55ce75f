// KernelTable: which evaluator scores how many rows, decided once at load.
//
// Each evaluator estimates its own cost (constants measured per kernel and instruction set, see
// docs/decisions/cost-model.md); the table keeps the answers, so that a call looks one up, and
// drops evaluators that no number of rows would use. Rows beyond whole blocks may be cheaper apart
// from them, with another kernel.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "spinney/kernel/forest/evaluator.h"
#include "spinney/plan/plan.h"

namespace spinney::plan {

class KernelTable {
 public:
  // Rows that block kernels score at once.
  static constexpr size_t kBlockRows = 64;

  // At least one evaluator; earlier ones win ties.
  explicit KernelTable(std::vector<std::unique_ptr<kernel::ForestEvaluator>> evaluators);

  void score(const Rows& rows, kernel::Scores scores, size_t score_size) const;
  double cost_ns(size_t rows) const;
  std::vector<KernelChoice> choices() const;
  size_t bytes() const;

 private:
  // Numbers of rows that have an entry each: 1 to kBlockRows, then powers of two.
  static constexpr size_t kLargeCounts = 5;
  static constexpr size_t kEntries = kBlockRows + kLargeCounts;
  static size_t entry_of(size_t rows);
  static size_t rows_of(size_t entry);

  const kernel::ForestEvaluator& best(size_t rows) const {
    return *evaluators_[entries_[entry_of(rows)]];
  }
  void choose();
  void drop_unused();

  std::vector<std::unique_ptr<kernel::ForestEvaluator>> evaluators_;
  std::array<uint8_t, kEntries> entries_{};
  // Whether this many rows beyond whole blocks are scored apart.
  std::array<bool, kBlockRows> rest_apart_{};
};

}  // namespace spinney::plan
