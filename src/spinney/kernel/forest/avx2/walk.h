// The walk kernel (walk/evaluator.h) with the bit extraction of BMI1 and BMI2, which every CPU with
// AVX2 has: a step takes five instructions.
#pragma once

#include "spinney/kernel/forest/evaluator.h"

namespace spinney::kernel::avx2 {

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest);

}  // namespace spinney::kernel::avx2
