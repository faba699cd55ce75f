// The walk kernel (walk/evaluator.h) with the bit extraction of BMI1 and BMI2, which every CPU with
// AVX2 has: a step takes five instructions.
#pragma once

#include "spinney/kernel/forest/evaluator.h"
#include "spinney/kernel/forest/walk/steps.h"

namespace spinney::kernel::avx2 {

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest);

#if defined(__x86_64__)
// For walk.avx512, which differs in crowns only: compiled for AVX-512 these loops are 10 % slower.
walk::Steps<walk::Narrow> narrow_steps();
walk::Steps<walk::Wide> wide_steps();
#endif

}  // namespace spinney::kernel::avx2
