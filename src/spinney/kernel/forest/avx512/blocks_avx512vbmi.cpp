#include "spinney/kernel/forest/avx512/blocks.h"

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

#include "spinney/kernel/forest/blocks/evaluator.h"
#include "spinney/rank/avx512/rank_rows.h"

SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2")
namespace spinney::kernel::avx512vbmi {
namespace {

using namespace blocks;
constexpr size_t kTogether = 4;  // vectors of rows that share the loads of nodes

inline __attribute__((always_inline)) __m512i lookup_64(const uint8_t* table, __m512i number) {
  return _mm512_permutexvar_epi8(number, _mm512_load_si512(table));
}
inline __attribute__((always_inline)) __m512i lookup_64_where(__m512i otherwise, __mmask64 where,
                                                              const uint8_t* table,
                                                              __m512i number) {
  return _mm512_mask_permutexvar_epi8(otherwise, where, number, _mm512_load_si512(table));
}

#include "spinney/kernel/forest/avx512/blocks_vectors.inc"
#include "spinney/kernel/forest/blocks/body.inc"

}  // namespace

}  // namespace spinney::kernel::avx512vbmi
SPINNEY_TARGET_END

namespace spinney::kernel {

Result<std::unique_ptr<ForestEvaluator>> avx512vbmi::make_blocks(const Forest& forest,
                                                                 SharedTables& shared) {
  static constexpr blocks::Variant kVariant{
      .name = "blocks.avx512vbmi",
      .together = kTogether,
      .vector_rows = 64,
      .layout = {.rank_flip = 0, .step_cost = 2.2},
      .costs = {.column = 18,
                .node = 0.34,
                .paired_node = 0.27,
                .step = 0.9,
                .paired_step = 0.57,
                .plane = 0.9,
                .sixteen = 0},
      .add_group = &add_group,
      .rank_block = &rank::avx512::rank_block,
  };
  return blocks::make_blocks(forest, shared, kVariant);
}

}  // namespace spinney::kernel
