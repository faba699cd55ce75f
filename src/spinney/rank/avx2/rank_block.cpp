#include "spinney/rank/avx2/rank_block.h"

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

#include "spinney/rank/tile.h"

SPINNEY_TARGET_BEGIN("avx2,fma,bmi,bmi2,popcnt")
namespace spinney::rank::avx2 {
namespace {

#define SPINNEY_INLINE inline __attribute__((always_inline))

constexpr uint8_t kRankFlip = kFlip;
constexpr bool kTransposeFills = false;

// Transposes 8 rows of 8 floats: within 128-bit lanes, then among them.
SPINNEY_INLINE void transpose_8(__m256* a) {
  __m256 b[8];
  SPINNEY_UNROLL(4)
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
  SPINNEY_UNROLL(2)
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
    a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
    a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
    a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
  }
  // a[4 g + j] now holds, in lane L, rows 4 g to 4 g + 3 of column 4 L + j.
  SPINNEY_UNROLL(4)
  for (int j = 0; j < 4; ++j) {
    b[j] = _mm256_permute2f128_ps(a[j], a[4 + j], 0x20);
    b[4 + j] = _mm256_permute2f128_ps(a[j], a[4 + j], 0x31);
  }
  SPINNEY_UNROLL(8)
  for (int i = 0; i < 8; ++i) a[i] = b[i];
}

// A tile out of rows whose floats lie side by side. Of the last 8 rows, those beyond n repeat the
// last one.
void transpose_tile(const Rows& rows, const TilePlace& place, Tile<float>& tile) {
  const char* row = static_cast<const char*>(rows.data) +
                    static_cast<ptrdiff_t>(place.first) * rows.row_stride +
                    static_cast<ptrdiff_t>(place.source * sizeof(float));
  for (size_t s = 0; s < place.count; s += 8) {
    const auto present = _mm256_set1_epi32(static_cast<int>(place.count - s));
    const __m256i mask = _mm256_cmpgt_epi32(present, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    for (size_t r = 0; r < place.n; r += 8) {
      __m256 a[8];
      SPINNEY_UNROLL(8)
      for (size_t i = 0; i < 8; ++i) {
        const size_t at = r + i < place.n ? r + i : place.n - 1;
        a[i] = _mm256_maskload_ps(
            reinterpret_cast<const float*>(row + static_cast<ptrdiff_t>(at) * rows.row_stride) + s,
            mask);
      }
      transpose_8(a);
      SPINNEY_UNROLL(8)
      for (size_t i = 0; i < 8; ++i) _mm256_store_ps(tile.values[s + i] + r, a[i]);
    }
  }
}

// For each heap index, the threshold at its place within a level of kPlaces thresholds. The index's
// low bits are the place; permutations read only the low 3 bits, so the rest needs no masking.
template <int kPlaces>
SPINNEY_INLINE __m256 at_place(const float* level, __m256i heap) {
  if constexpr (kPlaces <= 8) {
    return _mm256_permutevar8x32_ps(_mm256_load_ps(level), heap);
  } else {
    constexpr int kBit = __builtin_ctz(kPlaces / 2);
    const __m256 low = at_place<kPlaces / 2>(level, heap);
    const __m256 high = at_place<kPlaces / 2>(level + kPlaces / 2, heap);
    const __m256i odd = _mm256_slli_epi32(heap, 31 - kBit);  // a blend reads the sign
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(odd));
  }
}

// Down the search tree from level kLevel to kDepth, for 8 values.
template <bool kLess, int kLevel, int kDepth>
SPINNEY_INLINE __m256i descend(const float* tree, __m256i heap, __m256 value) {
  if constexpr (kLevel == kDepth) {
    return heap;
  } else {
    // The first three levels lie in the first 8 places, each where its heap index says.
    constexpr int kPlaces = kLevel < 3 ? 8 : 1 << kLevel;
    const __m256 threshold = at_place<kPlaces>(kLevel < 3 ? tree : tree + kPlaces, heap);
    const __m256 right = _mm256_cmp_ps(threshold, value, kLess ? _CMP_LE_OQ : _CMP_LT_OQ);
    const __m256i next = _mm256_sub_epi32(_mm256_add_epi32(heap, heap), _mm256_castps_si256(right));
    return descend<kLess, kLevel + 1, kDepth>(tree, next, value);
  }
}

// Ranks of 8 values, as 32-bit integers.
template <bool kLess, int kDepth>
SPINNEY_INLINE __m256i rank_8(const float* tree, ColumnRule rule, __m256 value) {
  __m256 missing = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
  if (rule.missing == MissingRule::kNanIsZero) {
    value = _mm256_andnot_ps(missing, value);
    missing = _mm256_setzero_ps();
  } else if (rule.missing == MissingRule::kZeroOrNan) {
    const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), value);
    const __m256 limit = _mm256_set1_ps(static_cast<float>(kZeroThreshold));
    missing = _mm256_or_ps(missing, _mm256_cmp_ps(size, limit, _CMP_LE_OQ));
  }
  const __m256i end = descend<kLess, 0, kDepth>(tree, _mm256_set1_epi32(1), value);
  const __m256i rank = _mm256_sub_epi32(end, _mm256_set1_epi32(1 << kDepth));
  return _mm256_blendv_epi8(rank, _mm256_set1_epi32(rule.missing_rank),
                            _mm256_castps_si256(missing));
}

// One column of n ranks, up to the next multiple of 32.
template <bool kLess, int kDepth>
[[gnu::noinline]] void rank_column(const float* tree, ColumnRule rule, const float* values,
                                   size_t n, uint8_t* to) {
  for (size_t r = 0; r < n; r += 32) {
    // Without this gcc copies the tree to the stack, to save loads in the second iteration.
    asm("" : "+r"(tree));
    __m256i ranks[4];
    SPINNEY_UNROLL(4)
    for (size_t i = 0; i < 4; ++i)
      ranks[i] = rank_8<kLess, kDepth>(tree, rule, _mm256_load_ps(values + r + 8 * i));
    // Packing works within lanes: the pieces of four bytes are put in order at the end.
    const __m256i packed = _mm256_packus_epi16(_mm256_packus_epi32(ranks[0], ranks[1]),
                                               _mm256_packus_epi32(ranks[2], ranks[3]));
    const __m256i sorted =
        _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_store_si256(reinterpret_cast<__m256i*>(to + r),
                       _mm256_xor_si256(sorted, _mm256_set1_epi8(static_cast<char>(kFlip))));
  }
}

#include "spinney/rank/rank_tiles.inc"

}  // namespace

void rank_block(const View& view, const Rows& rows, size_t first, size_t n, uint8_t* columns) {
  rank_tiles(view, rows, first, n, columns);
}

#undef SPINNEY_INLINE

}  // namespace spinney::rank::avx2
SPINNEY_TARGET_END
