// blocks (blocks/evaluator.h) with AVX-512: 64 rows a vector, with and without the byte
// permutations of VBMI.
#pragma once

#include "spinney/kernel/forest/evaluator.h"

namespace spinney::kernel {

namespace avx512 {
Result<std::unique_ptr<ForestEvaluator>> make_blocks(const Forest& forest, SharedTables& shared);
}
namespace avx512vbmi {
Result<std::unique_ptr<ForestEvaluator>> make_blocks(const Forest& forest, SharedTables& shared);
}

}  // namespace spinney::kernel
