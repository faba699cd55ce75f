// ForestEvaluator: one forest laid out for one kernel, ready to score rows.
//
// An evaluator is built once at load from a validated Forest and never changes, so any number of
// threads may call score() at once. Answers do not depend on how rows are grouped into calls.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "spinney/base/result.h"
#include "spinney/cpu/features.h"
#include "spinney/model/forest.h"
#include "spinney/model/rows.h"
#include "spinney/rank/ranker.h"

namespace spinney::kernel {

// Scores of consecutive rows, row-major, in the forest's accumulator type. On entry to score() they
// hold the forest's base scores; on return each tree's value has been added, in tree order.
// The divisor, scale and shift are applied by the caller.
struct Scores {
  void* data = nullptr;
  size_t row_stride = 0;  // in elements
};

class ForestEvaluator {
 public:
  virtual ~ForestEvaluator() = default;
  // "walk.scalar", "blocks.avx512": the kernel's name in info(), tests and SPINNEY_KERNEL.
  virtual std::string_view name() const = 0;
  // rows has settings().n_features columns and only NaN as a missing value.
  virtual void score(const Rows& rows, Scores scores) const = 0;
  // Without the ranker, which evaluators of one forest share.
  virtual size_t bytes() const = 0;
  // Estimated time of score() on this CPU, for choosing among evaluators.
  virtual double cost_ns(size_t rows) const = 0;
};

// What evaluators of one forest have in common, made when the first of them asks for it.
class SharedTables {
 public:
  // The forest must outlive the tables.
  explicit SharedTables(const Forest& forest) : forest_(forest) {}
  // The forest's ranker, or the error that refused it, the same each time.
  Result<std::shared_ptr<const rank::Ranker>> ranker();
  // The ranker if some evaluator still holds it.
  std::weak_ptr<const rank::Ranker> made_ranker() const { return ranker_; }

 private:
  const Forest& forest_;
  std::shared_ptr<const rank::Ranker> ranker_;
  std::optional<Error> refusal_;
};

// A kernel that can be built for forests; see registry.h for the list.
struct KernelEntry {
  std::string_view name;
  cpu::Isa isa;
  // An evaluator, or kUnsupported with the limit that this forest is beyond.
  Result<std::unique_ptr<ForestEvaluator>> (*make)(const Forest& forest, SharedTables& shared);
};

}  // namespace spinney::kernel
