// The oracle: walks the canonical forest node by node, exactly as model/forest.h defines it. It
// supports every forest, and every other kernel must give its answers bit for bit.
#pragma once

#include "spinney/kernel/forest/evaluator.h"

namespace spinney::kernel {

Result<std::unique_ptr<ForestEvaluator>> make_reference(const Forest& forest);

// Value of the leaf row for one row of inputs: leaf_values, or the leaf's linear function. The sum
// of a linear leaf is taken in float64, in the order of its terms.
double leaf_value(const Forest& forest, uint32_t leaf_row, uint32_t k, const Rows& rows, size_t r);

}  // namespace spinney::kernel
