#include "spinney/kernel/forest/scalar/walk.h"

#include "spinney/cpu/target.h"
#include "spinney/kernel/forest/walk/evaluator.h"

namespace spinney::kernel::scalar {
namespace {

using walk::Crown;
using walk::Ground;
using walk::kWalkBits;
using walk::kWalks;
using walk::Narrow;
using walk::Steps;
using walk::Tree;
using walk::Wide;

#include "spinney/kernel/forest/walk/steps.inc"

}  // namespace

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest) {
  return walk::make_walk(forest, {"walk.scalar", kSteps<Narrow>, kSteps<Wide>, false, 1.05});
}

}  // namespace spinney::kernel::scalar
