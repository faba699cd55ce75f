// The walk kernel (walk/evaluator.h) with AVX-512: the first levels of a tree, which all rows pass,
// are evaluated node by node for 64 rows at once, and rows walk from where those lead.
#pragma once

#include "spinney/kernel/forest/evaluator.h"

namespace spinney::kernel::avx512 {

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest);

}  // namespace spinney::kernel::avx512
