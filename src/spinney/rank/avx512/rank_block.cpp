#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

#include "spinney/rank/avx512/rank_rows.h"
#include "spinney/rank/tile.h"

namespace spinney::rank::avx512 {
SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,popcnt")
namespace {

#define SPINNEY_INLINE inline __attribute__((always_inline))

constexpr uint8_t kRankFlip = 0;
constexpr bool kTransposeFills = true;

// Transposes 16 rows of 16 floats: within 128-bit lanes, then among them.
SPINNEY_INLINE void transpose_16(__m512* a) {
  __m512 b[16];
  SPINNEY_UNROLL(8)
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  SPINNEY_UNROLL(4)
  for (int i = 0; i < 16; i += 4) {
    const __m512d b0 = _mm512_castps_pd(b[i]), b1 = _mm512_castps_pd(b[i + 1]);
    const __m512d b2 = _mm512_castps_pd(b[i + 2]), b3 = _mm512_castps_pd(b[i + 3]);
    a[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(b0, b2));
    a[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(b0, b2));
    a[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b1, b3));
    a[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b1, b3));
  }
  // a[4 g + j] now holds, in lane L, rows 4 g to 4 g + 3 of column 4 L + j.
  SPINNEY_UNROLL(4)
  for (int j = 0; j < 4; ++j) {
    const __m512 p = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x44);
    const __m512 q = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xEE);
    const __m512 r = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x44);
    const __m512 s = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xEE);
    b[j] = _mm512_shuffle_f32x4(p, r, 0x88);
    b[4 + j] = _mm512_shuffle_f32x4(p, r, 0xDD);
    b[8 + j] = _mm512_shuffle_f32x4(q, s, 0x88);
    b[12 + j] = _mm512_shuffle_f32x4(q, s, 0xDD);
  }
  SPINNEY_UNROLL(16)
  for (int i = 0; i < 16; ++i) a[i] = b[i];
}

// A tile out of rows whose floats lie side by side. Rows beyond n repeat the last one.
void transpose_tile(const Rows& rows, const TilePlace& place, Tile<float>& tile) {
  const char* row = static_cast<const char*>(rows.data) +
                    static_cast<ptrdiff_t>(place.first) * rows.row_stride +
                    static_cast<ptrdiff_t>(place.source * sizeof(float));
  const auto mask = static_cast<__mmask16>((1u << place.count) - 1);
  for (size_t r = 0; r < kBlockRows; r += 16) {
    __m512 a[16];
    SPINNEY_UNROLL(16)
    for (size_t i = 0; i < 16; ++i) {
      const size_t at = r + i < place.n ? r + i : place.n - 1;
      a[i] = _mm512_maskz_loadu_ps(mask, row + static_cast<ptrdiff_t>(at) * rows.row_stride);
    }
    transpose_16(a);
    SPINNEY_UNROLL(16)
    for (size_t i = 0; i < 16; ++i) _mm512_store_ps(tile.values[i] + r, a[i]);
  }
}

// One step down the search tree, for 16 values.
template <bool kLess>
SPINNEY_INLINE __m512i descend(__m512i heap, __m512 threshold, __m512 value) {
  const __mmask16 right = _mm512_cmp_ps_mask(threshold, value, kLess ? _CMP_LE_OQ : _CMP_LT_OQ);
  const __m512i left = _mm512_add_epi32(heap, heap);
  return _mm512_mask_sub_epi32(left, right, left, _mm512_set1_epi32(-1));
}

// The permutations below read only as many low bits of a heap index as they have places, so the
// upper bits need no masking.
SPINNEY_INLINE __m512 from_32(const float* level, __m512i heap) {
  return _mm512_permutex2var_ps(_mm512_load_ps(level), heap, _mm512_load_ps(level + 16));
}

template <bool kLess, int kDepth>
SPINNEY_INLINE __m512i search(const float* tree, __m512 value) {
  __m512i heap = _mm512_set1_epi32(1);
  const __m512 top = _mm512_load_ps(tree);
  SPINNEY_UNROLL(4)
  for (int level = 0; level < 4; ++level)
    heap = descend<kLess>(heap, _mm512_permutexvar_ps(heap, top), value);
  if constexpr (kDepth > 4)
    heap = descend<kLess>(heap, _mm512_permutexvar_ps(heap, _mm512_load_ps(tree + 16)), value);
  if constexpr (kDepth > 5) heap = descend<kLess>(heap, from_32(tree + 32, heap), value);
  if constexpr (kDepth > 6) {
    const __mmask16 odd = _mm512_test_epi32_mask(heap, _mm512_set1_epi32(32));
    const __m512 found =
        _mm512_mask_blend_ps(odd, from_32(tree + 64, heap), from_32(tree + 96, heap));
    heap = descend<kLess>(heap, found, value);
  }
  if constexpr (kDepth > 7) {
    const __mmask16 odd = _mm512_test_epi32_mask(heap, _mm512_set1_epi32(32));
    const __mmask16 high = _mm512_test_epi32_mask(heap, _mm512_set1_epi32(64));
    const __m512 low =
        _mm512_mask_blend_ps(odd, from_32(tree + 128, heap), from_32(tree + 160, heap));
    const __m512 up =
        _mm512_mask_blend_ps(odd, from_32(tree + 192, heap), from_32(tree + 224, heap));
    heap = descend<kLess>(heap, _mm512_mask_blend_ps(high, low, up), value);
  }
  return heap;  // 2^kDepth plus the rank, whose low byte is the rank's
}

// One column of 64 ranks, however many rows there are.
template <bool kLess, int kDepth>
void rank_column(const float* tree, ColumnRule rule, const float* values, size_t, uint8_t* to) {
  const __m512 zero_limit = _mm512_set1_ps(static_cast<float>(kZeroThreshold));
  SPINNEY_UNROLL(4)
  for (size_t r = 0; r < kBlockRows; r += 16) {
    __m512 value = _mm512_load_ps(values + r);
    __mmask16 missing = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    if (rule.missing == MissingRule::kNanIsZero) {
      value = _mm512_mask_mov_ps(value, missing, _mm512_setzero_ps());
      missing = 0;
    } else if (rule.missing == MissingRule::kZeroOrNan) {
      missing = static_cast<__mmask16>(
          missing | _mm512_cmp_ps_mask(_mm512_abs_ps(value), zero_limit, _CMP_LE_OQ));
    }
    __m512i rank = search<kLess, kDepth>(tree, value);
    if constexpr (kDepth < 8) rank = _mm512_sub_epi32(rank, _mm512_set1_epi32(1 << kDepth));
    rank = _mm512_mask_mov_epi32(rank, missing, _mm512_set1_epi32(rule.missing_rank));
    _mm_store_si128(reinterpret_cast<__m128i*>(to + r), _mm512_cvtepi32_epi8(rank));
  }
}

#include "spinney/rank/rank_tiles.inc"

}  // namespace

void rank_block(const View& view, const Rows& rows, size_t first, size_t n, uint8_t* columns) {
  rank_tiles(view, rows, first, n, columns);
}

#undef SPINNEY_INLINE
SPINNEY_TARGET_END

}  // namespace spinney::rank::avx512
