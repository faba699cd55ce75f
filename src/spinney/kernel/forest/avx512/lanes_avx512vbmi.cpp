#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

#include "spinney/kernel/forest/avx512/lanes.h"

SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2")
namespace spinney::kernel::avx512vbmi {
namespace {

#define SPINNEY_INLINE inline __attribute__((always_inline))

// The row's ranks, kept in registers for the whole row.
template <int kRegisters>
struct RankedRow {
  __m512i part[kRegisters];
};

// Decisions of 64 nodes: columns, then ranks.
template <int kRegisters>
SPINNEY_INLINE __mmask64 decide_64(const uint8_t* tests, const RankedRow<kRegisters>& row) {
  const __m512i columns = _mm512_load_si512(tests);
  __m512i found;
  if constexpr (kRegisters == 1) {
    found = _mm512_permutexvar_epi8(columns, row.part[0]);
  } else if constexpr (kRegisters == 2) {
    found = _mm512_permutex2var_epi8(row.part[0], columns, row.part[1]);
  } else {
    const __m512i low = _mm512_permutex2var_epi8(row.part[0], columns, row.part[1]);
    const __m512i high = _mm512_permutex2var_epi8(row.part[2], columns, row.part[3]);
    found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(columns), low, high);
  }
  return _mm512_cmple_epu8_mask(_mm512_load_si512(tests + 64), found);
}

// Where each of 64 trees ends below node kHeap, relative to it.
template <int kHeap, int kBelow, int kRegisters>
SPINNEY_INLINE __m512i end_below(const uint8_t* positions, const RankedRow<kRegisters>& row) {
  const __m512i bit = _mm512_set1_epi8(static_cast<char>(1 << (kBelow - 1)));
  if constexpr (kBelow == 1) {
    return _mm512_maskz_mov_epi8(decide_64(positions + (kHeap - 1) * 128, row), bit);
  } else {
    const __m512i a = end_below<2 * kHeap, kBelow - 1>(positions, row);
    const __m512i b = end_below<2 * kHeap + 1, kBelow - 1>(positions, row);
    return _mm512_mask_add_epi8(a, decide_64(positions + (kHeap - 1) * 128, row), b, bit);
  }
}

// The same of trees with one test a level, the root's first.
template <int kRegisters>
SPINNEY_INLINE __m512i ends_by_levels(const uint8_t* positions, uint32_t depth,
                                      const RankedRow<kRegisters>& row) {
  __m512i ends = _mm512_setzero_si512();
  for (uint32_t level = 0; level < depth; ++level, positions += 128) {
    ends = _mm512_add_epi8(ends, ends);
    ends = _mm512_mask_add_epi8(ends, decide_64(positions, row), ends, _mm512_set1_epi8(1));
  }
  return ends;
}

template <int kRegisters>
SPINNEY_INLINE __m512i find_ends(const uint8_t* positions, uint32_t depth,
                                 const RankedRow<kRegisters>& row) {
  switch (depth) {
    case 1:
      return end_below<1, 1>(positions, row);
    case 2:
      return end_below<1, 2>(positions, row);
    case 3:
      return end_below<1, 3>(positions, row);
    case 4:
      return end_below<1, 4>(positions, row);
    case 5:
      return end_below<1, 5>(positions, row);
    default:
      return end_below<1, 6>(positions, row);
  }
}

// One step of a walk; states count from a multiple of 64, so that their low bits number the
// decisions of a single word, and leaves lead to themselves whatever the decision.
SPINNEY_INLINE uint32_t step(const uint16_t* next, uint64_t decisions, uint32_t state) {
  return next[2 * size_t{state} + (decisions >> (state & 63) & 1)];
}

constexpr int kAbreast = 8;

// Some walks at a time, which overlap.
template <int kRegisters>
SPINNEY_INLINE void walk_narrow(const LanesView& view, const LaneWalk* walks, size_t count,
                                const uint16_t* next, const RankedRow<kRegisters>& row,
                                const uint32_t* begins, const uint8_t* ends, uint32_t* leaves) {
  const LaneWalk* const end = walks + count;
  for (; walks + kAbreast <= end; walks += kAbreast) {
    uint64_t decisions[kAbreast];
    uint32_t state[kAbreast];
    SPINNEY_UNROLL(8)
    for (int i = 0; i < kAbreast; ++i) {
      decisions[i] = _cvtmask64_u64(decide_64(view.tests + walks[i].tests, row));
      state[i] = view.starts[walks[i].start + ends[walks[i].lane]];
    }
    for (uint32_t steps = walks[kAbreast - 1].steps; steps > 0; --steps) SPINNEY_UNROLL(8)
    for (int i = 0; i < kAbreast; ++i) state[i] = step(next, decisions[i], state[i]);
    SPINNEY_UNROLL(8)
    for (int i = 0; i < kAbreast; ++i) leaves[walks[i].lane] = begins[walks[i].lane] + state[i];
  }
  for (; walks < end; ++walks) {
    const uint64_t decisions = _cvtmask64_u64(decide_64(view.tests + walks->tests, row));
    uint32_t state = view.starts[walks->start + ends[walks->lane]];
    for (uint32_t steps = walks->steps; steps > 0; --steps) state = step(next, decisions, state);
    leaves[walks->lane] = begins[walks->lane] + state;
  }
}

// Walks of several words of decisions.
template <int kRegisters>
SPINNEY_INLINE void walk_broad(const LanesView& view, const LaneWalk& walk, const uint16_t* next,
                               const RankedRow<kRegisters>& row, const uint32_t* begins,
                               const uint8_t* ends, uint32_t* leaves) {
  uint64_t decisions[kWalkWordsMax + 16] = {};  // a leaf's state may lie beyond the words
  for (uint32_t word = 0; word < walk.words; ++word)
    decisions[word] = _cvtmask64_u64(decide_64(view.tests + walk.tests + word * 128, row));
  uint32_t state = view.starts[walk.start + ends[walk.lane]];
  for (uint32_t steps = walk.steps; steps > 0; --steps)
    state = step(next, decisions[(state - walk.first_state) / 64], state);
  leaves[walk.lane] = begins[walk.lane] + state;
}

template <typename Real>
SPINNEY_INLINE void add_leaves(const Real* values, size_t width, const uint32_t* leaves,
                               size_t count, Real* scores) {
  if (width == 1) {
    Real sum = *scores;
    for (size_t t = 0; t < count; ++t) sum += values[leaves[t]];
    *scores = sum;
    return;
  }
  for (size_t t = 0; t < count; ++t) {
    const Real* leaf = values + leaves[t] * width;
    for (size_t k = 0; k < width; ++k) scores[k] += leaf[k];
  }
}

// Leaves of trees that end within the top; those of walks are replaced.
template <int kQuarter>
SPINNEY_INLINE void store_leaves(const uint32_t* begins, __m512i ends, uint32_t* leaves) {
  const __m512i wide = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(ends, kQuarter));
  _mm512_store_si512(leaves + 16 * kQuarter,
                     _mm512_add_epi32(wide, _mm512_load_si512(begins + 16 * kQuarter)));
}

template <int kRegisters, typename Real>
void add_trees(const LanesView& view, const uint8_t* ranks, const Real* values, Real* scores) {
  RankedRow<kRegisters> row;
  SPINNEY_UNROLL(4)
  for (int i = 0; i < kRegisters; ++i) row.part[i] = _mm512_load_si512(ranks + 64 * i);
  alignas(64) uint8_t ends[64];
  alignas(64) uint32_t leaves[64];
  for (size_t g = 0; g < view.group_count; ++g) {
    const LaneGroup& group = view.groups[g];
    const uint8_t* const positions = view.tests + group.positions;
    const __m512i found = group.by_levels ? ends_by_levels<kRegisters>(positions, group.depth, row)
                                          : find_ends<kRegisters>(positions, group.depth, row);
    const uint32_t* begins = view.leaf_begins + group.leaf_begin;
    store_leaves<0>(begins, found, leaves);
    store_leaves<1>(begins, found, leaves);
    store_leaves<2>(begins, found, leaves);
    store_leaves<3>(begins, found, leaves);
    if (group.walk_count > 0) {
      _mm512_store_si512(ends, found);
      const LaneWalk* walks = view.walks + group.first_walk;
      const uint16_t* next = view.next + group.next;
      walk_narrow<kRegisters>(view, walks, group.narrow_count, next, row, begins, ends, leaves);
      for (size_t i = group.narrow_count; i < group.walk_count; ++i)
        walk_broad<kRegisters>(view, walks[i], next, row, begins, ends, leaves);
    }
    add_leaves(values, view.leaf_width, leaves, group.tree_count, scores + group.target);
  }
}

template <typename Real>
void add_lanes_as(const LanesView& view, const uint8_t* ranks, size_t registers, const Real* values,
                  Real* scores) {
  if (registers == 1)
    add_trees<1>(view, ranks, values, scores);
  else if (registers == 2)
    add_trees<2>(view, ranks, values, scores);
  else
    add_trees<4>(view, ranks, values, scores);
}

}  // namespace

void add_lanes(const LanesView& view, const uint8_t* ranks, size_t registers, float* scores) {
  add_lanes_as(view, ranks, registers, view.floats, scores);
}
void add_lanes(const LanesView& view, const uint8_t* ranks, size_t registers, double* scores) {
  add_lanes_as(view, ranks, registers, view.doubles, scores);
}

#undef SPINNEY_INLINE

}  // namespace spinney::kernel::avx512vbmi
SPINNEY_TARGET_END
