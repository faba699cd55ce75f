#include "spinney/kernel/forest/avx2/walk.h"

#include "spinney/kernel/forest/walk/evaluator.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "spinney/cpu/target.h"

namespace spinney::kernel::avx2 {
namespace {

using walk::Crown;
using walk::Ground;
using walk::kWalkBits;
using walk::kWalks;
using walk::Narrow;
using walk::Steps;
using walk::Tree;
using walk::Wide;

SPINNEY_TARGET_BEGIN("bmi,bmi2")
#define SPINNEY_WALK_BMI
#include "spinney/kernel/forest/walk/steps.inc"
#undef SPINNEY_WALK_BMI
SPINNEY_TARGET_END

}  // namespace

walk::Steps<walk::Narrow> narrow_steps() { return kSteps<Narrow>; }
walk::Steps<walk::Wide> wide_steps() { return kSteps<Wide>; }

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest) {
  return walk::make_walk(forest, {"walk.avx2", kSteps<Narrow>, kSteps<Wide>, false, 1.0});
}

}  // namespace spinney::kernel::avx2

#else

namespace spinney::kernel::avx2 {

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest&) {
  return unsupported("walk.avx2 was not built for this processor family.");
}

}  // namespace spinney::kernel::avx2

#endif
