// KernelTable: which evaluator scores how many rows, decided once at load.
//
// Each evaluator estimates its own cost (constants per kernel and instruction set), corrected by
// what was measured at load (measure.h, docs/decisions/cost-model.md); the table keeps the answers,
// so that a call looks one up, and drops evaluators that no number of rows would use. Rows beyond
// whole blocks may be cheaper apart from them, with another kernel.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "spinney/kernel/forest/evaluator.h"
#include "spinney/plan/measure.h"
#include "spinney/plan/plan.h"
#include "spinney/rank/ranker.h"

namespace spinney::plan {

class KernelTable {
 public:
  static constexpr size_t kBlockRows = rank::kBlockRows;

  // At least one evaluator, and a correction for each. The choice by estimates alone stays where
  // the corrected ones differ by less than kWorthwhile, so that noise does not change it.
  KernelTable(std::vector<std::unique_ptr<kernel::ForestEvaluator>> evaluators,
              std::vector<Correction> corrections);

  void score(const Rows& rows, kernel::Scores scores, size_t score_size) const;
  double cost_ns(size_t rows) const;
  std::vector<KernelChoice> choices() const;
  size_t bytes() const;

 private:
  // Numbers of rows that have an entry each: 1 to kBlockRows, then powers of two.
  static constexpr size_t kLargeCounts = 5;
  static constexpr double kWorthwhile = 0.95;
  static constexpr size_t kEntries = kBlockRows + kLargeCounts;
  static size_t entry_of(size_t rows);
  static size_t rows_of(size_t entry);

  const kernel::ForestEvaluator& best(size_t rows) const {
    return *evaluators_[entries_[entry_of(rows)]];
  }
  double cost_of(size_t evaluator, size_t rows) const {
    return evaluators_[evaluator]->cost_ns(rows) * corrections_[evaluator].at(rows);
  }
  size_t choice_for(size_t rows) const;
  void choose();
  void drop_unused();

  std::vector<std::unique_ptr<kernel::ForestEvaluator>> evaluators_;
  std::vector<Correction> corrections_;  // one per evaluator
  std::array<uint8_t, kEntries> entries_{};
  // Whether this many rows beyond whole blocks are scored apart.
  std::array<bool, kBlockRows> rest_apart_{};
};

}  // namespace spinney::plan
