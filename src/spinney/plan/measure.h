// Measures the kernels of a forest at load, where a choice between them depends on it.
//
// Evaluators estimate their own time with constants that were fitted on one CPU. How ranks are
// looked up, what a gather costs and how far the caches reach differ from CPU to CPU and from
// forest to forest, so each evaluator is timed at a few numbers of rows, on rows drawn around the
// forest's own thresholds, and its estimate is corrected by what that took. All kernels give the
// same bits: only times depend on it. docs/decisions/cost-model.md has the figures.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "spinney/base/clock.h"
#include "spinney/base/result.h"
#include "spinney/kernel/forest/evaluator.h"

namespace spinney::plan {

// The numbers of rows that are measured.
inline constexpr std::array<size_t, 5> kMeasuredRows{1, 4, 16, 64, 128};

// How many times its own estimate an evaluator takes: measured values at kMeasuredRows, and between
// them what lies on a line of logarithms. All 1 if nothing was measured.
struct Correction {
  std::array<double, kMeasuredRows.size()> factors{1, 1, 1, 1, 1};
  double at(size_t rows) const;
};

// The time that one load may spend on measuring: half a millisecond, and a twentieth of what the
// load has taken so far. Members of an ensemble share it.
class Allowance {
 public:
  explicit Allowance(const Clock& clock) : clock_(clock), begin_ns_(clock.now_ns()) {}
  const Clock& clock() const { return clock_; }
  int64_t left_ns() const {
    return kMillisecond / 2 + (clock_.now_ns() - begin_ns_) / 20 - spent_ns_;
  }
  void spend(int64_t ns) { spent_ns_ += ns; }

 private:
  const Clock& clock_;
  int64_t begin_ns_, spent_ns_ = 0;
};

// False if the environment says SPINNEY_MEASURE=0; an error if it says something else than 0 or 1.
Result<bool> measuring_is_wanted();

// One correction for each evaluator. Numbers of rows for which the allowance does not suffice are
// corrected like their neighbours that were measured, evaluators like the others.
std::vector<Correction> measure(
    const Forest& forest, const std::vector<std::unique_ptr<kernel::ForestEvaluator>>& evaluators,
    Allowance& allowance);

}  // namespace spinney::plan
