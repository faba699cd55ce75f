#include "spinney/kernel/forest/avx512/walk.h"

#include "spinney/kernel/forest/avx2/walk.h"
#include "spinney/kernel/forest/walk/evaluator.h"

#if defined(__x86_64__)

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

namespace spinney::kernel::avx512 {
namespace {

using walk::Crown;
using walk::Ground;
using walk::kWalkBits;
using walk::kWalks;
using walk::Narrow;
using walk::Steps;
using walk::Tree;
using walk::Wide;

SPINNEY_TARGET_BEGIN("bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl")
#define SPINNEY_WALK_BMI
#include "spinney/kernel/forest/walk/steps.inc"
#undef SPINNEY_WALK_BMI

constexpr size_t kGroups = 4;  // groups of kWalks rows in one 64-bit mask

// Which of 64 rows go right at one node.
[[gnu::always_inline]] static inline uint64_t goes_right(const Crown& crown, unsigned node,
                                                         const uint32_t* keys, size_t group_keys) {
  const __m512i last = _mm512_set1_epi32(static_cast<int>(crown.key[node]));
  const uint32_t* from = keys + crown.column[node];
  __mmask16 right[kGroups];
  SPINNEY_UNROLL(4)
  for (size_t g = 0; g < kGroups; ++g)
    right[g] = _mm512_cmpgt_epu32_mask(_mm512_loadu_si512(from + g * group_keys), last);
  const __mmask32 low = _mm512_kunpackw(right[1], right[0]);
  const __mmask32 high = _mm512_kunpackw(right[3], right[2]);
  return _mm512_kunpackd(high, low);
}

// Takes b where the mask is set, else a.
[[gnu::always_inline]] static inline uint64_t choose(uint64_t mask, uint64_t a, uint64_t b) {
  return a ^ ((a ^ b) & mask);
}

// Where 64 rows leave the crown: at[0..64) are places among the forest's nodes.
[[gnu::always_inline]] static inline void leave_crown(const Crown& crown, const uint32_t* keys,
                                                      size_t group_keys, uint32_t* at) {
  static_assert(Crown::kLevels == 5);
  uint64_t right[31];
  SPINNEY_UNROLL(31)
  for (unsigned i = 0; i < 31; ++i) right[i] = goes_right(crown, i, keys, group_keys);
  const auto pair = [&](uint64_t mask, unsigned i) { return choose(mask, right[i], right[i + 1]); };
  const uint64_t b0 = right[0];
  const uint64_t b1 = pair(b0, 1);
  const uint64_t b2 = choose(b0, pair(b1, 3), pair(b1, 5));
  const uint64_t b3 =
      choose(b0, choose(b1, pair(b2, 7), pair(b2, 9)), choose(b1, pair(b2, 11), pair(b2, 13)));
  const uint64_t b4 = choose(
      b0,
      choose(b1, choose(b2, pair(b3, 15), pair(b3, 17)), choose(b2, pair(b3, 19), pair(b3, 21))),
      choose(b1, choose(b2, pair(b3, 23), pair(b3, 25)), choose(b2, pair(b3, 27), pair(b3, 29))));
  const __m512i low = _mm512_loadu_si512(crown.start);
  const __m512i high = _mm512_loadu_si512(crown.start + 16);
  __m512i way = _mm512_maskz_set1_epi8(b4, 1);
  way = _mm512_mask_add_epi8(way, b3, way, _mm512_set1_epi8(2));
  way = _mm512_mask_add_epi8(way, b2, way, _mm512_set1_epi8(4));
  way = _mm512_mask_add_epi8(way, b1, way, _mm512_set1_epi8(8));
  way = _mm512_mask_add_epi8(way, b0, way, _mm512_set1_epi8(16));
  const auto store = [&](unsigned g, __m128i bytes) {
    const __m512i index = _mm512_cvtepu8_epi32(bytes);
    _mm512_storeu_si512(at + g * kWalks, _mm512_permutex2var_epi32(low, index, high));
  };
  store(0, _mm512_castsi512_si128(way));
  store(1, _mm512_extracti32x4_epi32(way, 1));
  store(2, _mm512_extracti32x4_epi32(way, 2));
  store(3, _mm512_extracti32x4_epi32(way, 3));
}

static void crowned_rows16(const Ground<Narrow>& ground, Tree tree, const Crown* crown,
                           const uint32_t* keys, size_t group_keys, size_t groups, uint32_t* at) {
  const Ground<Narrow> local = ground;
  const size_t whole = crown ? groups / kGroups * kGroups : 0;
  const uint32_t levels = whole > 0 ? tree.depth - Crown::kLevels : 0;
  for (size_t g = 0; g < whole; g += kGroups) {
    leave_crown(*crown, keys + g * group_keys, group_keys, at + g * kWalks);
    for (size_t i = g; i < g + kGroups; ++i) {
      uint64_t from[kWalks];
      for (size_t row = 0; row < kWalks; ++row) from[row] = at[i * kWalks + row];
      descend<Narrow, kWalks, 1>(local, levels, keys + i * group_keys, from, at + i * kWalks);
    }
  }
  if (whole < groups)
    avx2::narrow_steps().rows16(ground, tree, nullptr, keys + whole * group_keys, group_keys,
                                groups - whole, at + whole * kWalks);
}

SPINNEY_TARGET_END

}  // namespace

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest& forest) {
  Steps<Narrow> narrow = avx2::narrow_steps();
  narrow.rows16 = &crowned_rows16;
  return walk::make_walk(forest, {"walk.avx512", narrow, avx2::wide_steps(), true, 1.0});
}

}  // namespace spinney::kernel::avx512

#else

namespace spinney::kernel::avx512 {

Result<std::unique_ptr<ForestEvaluator>> make_walk(const Forest&) {
  return unsupported("walk.avx512 was not built for this processor family.");
}

}  // namespace spinney::kernel::avx512

#endif
