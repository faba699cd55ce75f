// The walk kernel: forests of any shape, walked node by node with many walks in flight at once.
//
// It takes every forest that fits in 2^32 nodes and kColumnsMax columns: all input types,
// comparisons, rules for missing values, category sets, leaf widths and reductions. What one step
// costs is the same for all of them; categorical splits and rules other than "NaN is missing" cost
// a little per row and column besides (columns.h).
#pragma once

#include <memory>
#include <string_view>

#include "spinney/kernel/forest/evaluator.h"
#include "spinney/kernel/forest/walk/steps.h"

namespace spinney::kernel::walk {

// Beyond this the keys of a group of rows would outgrow a core's cache many times over.
inline constexpr size_t kColumnsMax = 1 << 17;

struct Variant {
  std::string_view name;
  Steps<Narrow> narrow;
  Steps<Wide> wide;
  bool crowns;   // rows16 of `narrow` uses crowns
  double speed;  // time of a step, against that of walk.avx2
};

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest, const Variant& variant);

}  // namespace spinney::kernel::walk
