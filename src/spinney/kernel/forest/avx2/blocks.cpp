#include "spinney/kernel/forest/avx2/blocks.h"

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

#include "spinney/kernel/forest/blocks/evaluator.h"
#include "spinney/rank/avx2/rank_block.h"

SPINNEY_TARGET_BEGIN("avx2,fma,bmi,bmi2")
namespace spinney::kernel::avx2 {
namespace {

using namespace blocks;
constexpr size_t kTogether = 2;  // vectors of rows that share the loads of nodes

#include "spinney/kernel/forest/avx2/blocks_vectors.inc"
#include "spinney/kernel/forest/blocks/body.inc"

}  // namespace
}  // namespace spinney::kernel::avx2
SPINNEY_TARGET_END

namespace spinney::kernel {

Result<std::unique_ptr<ForestEvaluator>> avx2::make_blocks(const Forest& forest,
                                                           SharedTables& shared) {
  static constexpr blocks::Variant kVariant{
      .name = "blocks.avx2",
      .together = kTogether,
      .vector_rows = 32,
      .layout = {.rank_flip = rank::avx2::kFlip, .step_cost = 2.0},
      .costs = {.column = 14,
                .node = 0.36,
                .paired_node = 0.28,
                .step = 0.95,
                .paired_step = 0.7,
                .plane = 0,
                .sixteen = 0.2},
      .add_group = &add_group,
      .rank_block = &rank::avx2::rank_block,
  };
  return blocks::make_blocks(forest, shared, kVariant);
}

}  // namespace spinney::kernel
