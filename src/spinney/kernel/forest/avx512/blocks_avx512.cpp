#include "spinney/kernel/forest/avx512/blocks.h"

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

#include "spinney/kernel/forest/blocks/evaluator.h"
#include "spinney/rank/avx512/rank_rows.h"

SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl")
namespace spinney::kernel::avx512 {
namespace {

using namespace blocks;
constexpr size_t kTogether = 4;  // vectors of rows that share the loads of nodes

inline __attribute__((always_inline)) __m512i sixteen(const uint8_t* table, int quarter) {
  return _mm512_broadcast_i32x4(
      _mm_load_si128(reinterpret_cast<const __m128i*>(table + 16 * quarter)));
}

// Without VBMI, 64 bytes are looked up in four quarters of 16, each where bits 4 and 5 ask for it.
inline __attribute__((always_inline)) __m512i lookup_64_where(__m512i otherwise, __mmask64 where,
                                                              const uint8_t* table,
                                                              __m512i number) {
  const __m512i low = _mm512_and_si512(number, _mm512_set1_epi8(15));
  const __mmask64 bit4 = _mm512_mask_test_epi8_mask(where, number, _mm512_set1_epi8(16));
  const __mmask64 not4 = _kandn_mask64(bit4, where);
  const __mmask64 bit5 = _mm512_test_epi8_mask(number, _mm512_set1_epi8(32));
  __m512i found =
      _mm512_mask_shuffle_epi8(otherwise, _kandn_mask64(bit5, not4), sixteen(table, 0), low);
  found = _mm512_mask_shuffle_epi8(found, _kandn_mask64(bit5, bit4), sixteen(table, 1), low);
  found = _mm512_mask_shuffle_epi8(found, _kand_mask64(bit5, not4), sixteen(table, 2), low);
  return _mm512_mask_shuffle_epi8(found, _kand_mask64(bit5, bit4), sixteen(table, 3), low);
}
inline __attribute__((always_inline)) __m512i lookup_64(const uint8_t* table, __m512i number) {
  return lookup_64_where(_mm512_setzero_si512(), ~__mmask64{0}, table, number);
}

#include "spinney/kernel/forest/avx512/blocks_vectors.inc"
#include "spinney/kernel/forest/blocks/body.inc"

}  // namespace

}  // namespace spinney::kernel::avx512
SPINNEY_TARGET_END

namespace spinney::kernel {

Result<std::unique_ptr<ForestEvaluator>> avx512::make_blocks(const Forest& forest,
                                                             SharedTables& shared) {
  static constexpr blocks::Variant kVariant{
      .name = "blocks.avx512",
      .together = kTogether,
      .vector_rows = 64,
      .layout = {.rank_flip = 0, .step_cost = 2.2},
      .costs = {.column = 18,
                .node = 0.34,
                .paired_node = 0.27,
                .step = 0.9,
                .paired_step = 0.59,
                .plane = 1.6,
                .sixteen = 0},
      .add_group = &add_group,
      .rank_block = &rank::avx512::rank_block,
  };
  return blocks::make_blocks(forest, shared, kVariant);
}

}  // namespace spinney::kernel
