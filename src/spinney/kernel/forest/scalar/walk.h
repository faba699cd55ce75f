// The walk kernel (walk/evaluator.h) in portable C++: fast on any CPU.
#pragma once

#include "spinney/kernel/forest/evaluator.h"

namespace spinney::kernel::scalar {

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest);

}  // namespace spinney::kernel::scalar
