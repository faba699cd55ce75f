// blocks (blocks/evaluator.h) with AVX2: 32 rows a vector.
#pragma once

#include "spinney/kernel/forest/evaluator.h"

namespace spinney::kernel::avx2 {

Result<std::unique_ptr<ForestEvaluator>> make_blocks(const Forest& forest, SharedTables& shared);

}  // namespace spinney::kernel::avx2
