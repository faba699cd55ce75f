// The body of K1, included once per instruction set inside its namespace and target region; the
// includer defines lookup_64(), a permutation of 64 bytes. No include guard, on purpose.

#define SPINNEY_INLINE inline __attribute__((always_inline))
// A perfect tree is one long run of code; sanitizers' checks at each of its loads would make it
// take minutes to compile. Its indices are the layout's own, which the tests compare.
#define SPINNEY_UNCHECKED __attribute__((no_sanitize("address", "undefined")))

// The leaf number below one node of a perfect tree, relative to that node, for 64 rows.
template <int kHeap, int kBelow>
SPINNEY_UNCHECKED SPINNEY_INLINE __m512i number_below(const uint32_t* ranks,
                                                      const uint16_t* offsets,
                                                      const uint8_t* columns) {
  const __m512i bit = _mm512_set1_epi8(static_cast<char>(1 << (kBelow - 1)));
  if constexpr (kBelow == 1) {
    const __mmask64 right =
        _mm512_cmple_epu8_mask(_mm512_set1_epi32(static_cast<int>(ranks[kHeap])),
                               _mm512_load_si512(columns + size_t{offsets[kHeap]} * 8));
    return _mm512_maskz_mov_epi8(right, bit);
  } else {
    const __m512i a = number_below<2 * kHeap, kBelow - 1>(ranks, offsets, columns);
    const __m512i b = number_below<2 * kHeap + 1, kBelow - 1>(ranks, offsets, columns);
    const __mmask64 right =
        _mm512_cmple_epu8_mask(_mm512_set1_epi32(static_cast<int>(ranks[kHeap])),
                               _mm512_load_si512(columns + size_t{offsets[kHeap]} * 8));
    return _mm512_mask_add_epi8(a, right, b, bit);
  }
}

// The same for two blocks, which share the loads of a node.
struct Two {
  __m512i first, second;
};
template <int kHeap, int kBelow>
SPINNEY_UNCHECKED SPINNEY_INLINE Two numbers_below(const uint32_t* ranks, const uint16_t* offsets,
                                                   const uint8_t* columns0,
                                                   const uint8_t* columns1) {
  const __m512i bit = _mm512_set1_epi8(static_cast<char>(1 << (kBelow - 1)));
  Two a, b;
  if constexpr (kBelow > 1) {
    a = numbers_below<2 * kHeap, kBelow - 1>(ranks, offsets, columns0, columns1);
    b = numbers_below<2 * kHeap + 1, kBelow - 1>(ranks, offsets, columns0, columns1);
  }
  const __m512i rank = _mm512_set1_epi32(static_cast<int>(ranks[kHeap]));
  const size_t offset = size_t{offsets[kHeap]} * 8;
  const __mmask64 right0 = _mm512_cmple_epu8_mask(rank, _mm512_load_si512(columns0 + offset));
  const __mmask64 right1 = _mm512_cmple_epu8_mask(rank, _mm512_load_si512(columns1 + offset));
  if constexpr (kBelow == 1)
    return {_mm512_maskz_mov_epi8(right0, bit), _mm512_maskz_mov_epi8(right1, bit)};
  else
    return {_mm512_mask_add_epi8(a.first, right0, b.first, bit),
            _mm512_mask_add_epi8(a.second, right1, b.second, bit)};
}

template <int kDepth>
SPINNEY_UNCHECKED void run_perfect(const uint8_t* tree, size_t count, const BlockPair& blocks) {
  for (size_t i = 0; i < count; ++i, tree += perfect_bytes(kDepth)) {
    const auto* ranks = reinterpret_cast<const uint32_t*>(tree);
    const auto* offsets = reinterpret_cast<const uint16_t*>(ranks + (size_t{1} << kDepth));
    const size_t to = size_t{offsets[0]} * 8;
    if (blocks.count == 2) {
      const Two numbers =
          numbers_below<1, kDepth>(ranks, offsets, blocks.columns[0], blocks.columns[1]);
      _mm512_store_si512(blocks.slots[0] + to, numbers.first);
      _mm512_store_si512(blocks.slots[1] + to, numbers.second);
    } else {
      _mm512_store_si512(blocks.slots[0] + to,
                         number_below<1, kDepth>(ranks, offsets, blocks.columns[0]));
    }
  }
}

SPINNEY_INLINE void step_once(uint64_t offsets, __m512i ranks, const uint8_t* columns,
                              uint8_t* slots) {
  const __mmask64 right =
      _mm512_cmple_epu8_mask(ranks, _mm512_load_si512(columns + (offsets & 0xffff) * 8));
  const __m512i a = _mm512_load_si512(slots + (offsets >> 16 & 0xffff) * 8);
  const __m512i b = _mm512_load_si512(slots + (offsets >> 32 & 0xffff) * 8);
  _mm512_store_si512(slots + (offsets >> 48) * 8, _mm512_mask_blend_epi8(right, a, b));
}

void run_program(const Step* steps, size_t count, const BlockPair& blocks) {
  const uint8_t *columns0 = blocks.columns[0], *columns1 = blocks.columns[1];
  uint8_t *slots0 = blocks.slots[0], *slots1 = blocks.slots[1];
  if (blocks.count == 2) {
    for (size_t i = 0; i < count; ++i) {
      const __m512i ranks = _mm512_set1_epi32(static_cast<int>(steps[i].ranks));
      uint64_t offsets;  // one load in place of four
      __builtin_memcpy(&offsets, &steps[i].column, sizeof offsets);
      step_once(offsets, ranks, columns0, slots0);
      step_once(offsets, ranks, columns1, slots1);
    }
  } else {
    for (size_t i = 0; i < count; ++i) {
      uint64_t offsets;
      __builtin_memcpy(&offsets, &steps[i].column, sizeof offsets);
      step_once(offsets, _mm512_set1_epi32(static_cast<int>(steps[i].ranks)), columns0, slots0);
    }
  }
}

// One plane's bytes for 64 leaf numbers, out of 64, 128 or 256 leaves.
template <int kTables>
SPINNEY_INLINE __m512i lookup(const uint8_t* plane, __m512i number) {
  __m512i found = lookup_64(plane, number);
  if constexpr (kTables == 2)
    found = lookup_64_where(found, _mm512_test_epi8_mask(number, _mm512_set1_epi8(64)), plane + 64,
                            number);
  if constexpr (kTables == 4) {
    const __mmask64 high = _mm512_movepi8_mask(number);
    const __mmask64 odd = _mm512_test_epi8_mask(number, _mm512_set1_epi8(64));
    found = lookup_64_where(found, _kandn_mask64(high, odd), plane + 64, number);
    found = lookup_64_where(found, _kandn_mask64(odd, high), plane + 128, number);
    found = lookup_64_where(found, _kand_mask64(high, odd), plane + 192, number);
  }
  return found;
}

SPINNEY_INLINE __m512 add(__m512 sum, __m512i value) {
  return _mm512_add_ps(sum, _mm512_castsi512_ps(value));
}
SPINNEY_INLINE __m512d add(__m512d sum, __m512i value) {
  return _mm512_add_pd(sum, _mm512_castsi512_pd(value));
}

// 64 floats of 64 rows from four byte planes: sums[q]'s 128-bit lane L holds rows 16 L + 4 q on.
template <int kTables>
SPINNEY_INLINE void add_floats(const uint8_t* planes, __m512i number, __m512* sums) {
  constexpr size_t kPlane = size_t{64} * kTables;
  const __m512i b0 = lookup<kTables>(planes, number);
  const __m512i b1 = lookup<kTables>(planes + kPlane, number);
  const __m512i b2 = lookup<kTables>(planes + 2 * kPlane, number);
  const __m512i b3 = lookup<kTables>(planes + 3 * kPlane, number);
  const __m512i low01 = _mm512_unpacklo_epi8(b0, b1), high01 = _mm512_unpackhi_epi8(b0, b1);
  const __m512i low23 = _mm512_unpacklo_epi8(b2, b3), high23 = _mm512_unpackhi_epi8(b2, b3);
  sums[0] = add(sums[0], _mm512_unpacklo_epi16(low01, low23));
  sums[1] = add(sums[1], _mm512_unpackhi_epi16(low01, low23));
  sums[2] = add(sums[2], _mm512_unpacklo_epi16(high01, high23));
  sums[3] = add(sums[3], _mm512_unpackhi_epi16(high01, high23));
}

// 64 doubles from eight planes: sums[q]'s lane L holds rows 16 L + 2 q and the next.
template <int kTables>
SPINNEY_INLINE void add_doubles(const uint8_t* planes, __m512i number, __m512d* sums) {
  constexpr size_t kPlane = size_t{64} * kTables;
  __m512i low[4], high[4];  // rows 0-7 and 8-15 of each lane, two bytes of each value
  SPINNEY_UNROLL(4)
  for (size_t i = 0; i < 4; ++i) {
    const __m512i a = lookup<kTables>(planes + 2 * i * kPlane, number);
    const __m512i b = lookup<kTables>(planes + (2 * i + 1) * kPlane, number);
    low[i] = _mm512_unpacklo_epi8(a, b);
    high[i] = _mm512_unpackhi_epi8(a, b);
  }
  SPINNEY_UNROLL(2)
  for (size_t half = 0; half < 2; ++half) {
    const __m512i* w = half ? high : low;
    const __m512i a = _mm512_unpacklo_epi16(w[0], w[1]), c = _mm512_unpackhi_epi16(w[0], w[1]);
    const __m512i b = _mm512_unpacklo_epi16(w[2], w[3]), d = _mm512_unpackhi_epi16(w[2], w[3]);
    __m512d* sum = sums + 4 * half;
    sum[0] = add(sum[0], _mm512_unpacklo_epi32(a, b));
    sum[1] = add(sum[1], _mm512_unpackhi_epi32(a, b));
    sum[2] = add(sum[2], _mm512_unpacklo_epi32(c, d));
    sum[3] = add(sum[3], _mm512_unpackhi_epi32(c, d));
  }
}

// Adds output k's values of a group's trees to one block, in tree order, sums kept in registers.
void add_float_leaves(const GroupView& group, size_t k, const uint8_t* slots, float* to) {
  __m512 sums[4];
  for (int q = 0; q < 4; ++q) sums[q] = _mm512_load_ps(to + 16 * q);
  for (size_t t = 0; t < group.tree_count; ++t) {
    const Leaves& leaves = group.leaves[t];
    const uint8_t* planes = group.planes + leaves.begin + k * 4 * 64 * leaves.tables;
    const __m512i number = _mm512_load_si512(slots + 64 * t);
    if (leaves.tables == 1)
      add_floats<1>(planes, number, sums);
    else if (leaves.tables == 2)
      add_floats<2>(planes, number, sums);
    else
      add_floats<4>(planes, number, sums);
  }
  for (int q = 0; q < 4; ++q) _mm512_store_ps(to + 16 * q, sums[q]);
}

void add_double_leaves(const GroupView& group, size_t k, const uint8_t* slots, double* to) {
  __m512d sums[8];
  for (int q = 0; q < 8; ++q) sums[q] = _mm512_load_pd(to + 8 * q);
  for (size_t t = 0; t < group.tree_count; ++t) {
    const Leaves& leaves = group.leaves[t];
    const uint8_t* planes = group.planes + leaves.begin + k * 8 * 64 * leaves.tables;
    const __m512i number = _mm512_load_si512(slots + 64 * t);
    if (leaves.tables == 1)
      add_doubles<1>(planes, number, sums);
    else if (leaves.tables == 2)
      add_doubles<2>(planes, number, sums);
    else
      add_doubles<4>(planes, number, sums);
  }
  for (int q = 0; q < 8; ++q) _mm512_store_pd(to + 8 * q, sums[q]);
}

void add_group(const GroupView& group, const BlockPair& blocks) {
  for (size_t i = 0; i < group.segment_count; ++i) {
    const Segment& segment = group.segments[i];
    const uint8_t* trees = group.trees + segment.begin;
    switch (segment.depth) {
      case 0:
        run_program(group.steps + segment.begin, segment.count, blocks);
        break;
      case 1:
        run_perfect<1>(trees, segment.count, blocks);
        break;
      case 2:
        run_perfect<2>(trees, segment.count, blocks);
        break;
      case 3:
        run_perfect<3>(trees, segment.count, blocks);
        break;
      case 4:
        run_perfect<4>(trees, segment.count, blocks);
        break;
      case 5:
        run_perfect<5>(trees, segment.count, blocks);
        break;
      case 6:
        run_perfect<6>(trees, segment.count, blocks);
        break;
      case 7:
        run_perfect<7>(trees, segment.count, blocks);
        break;
      default:
        run_perfect<8>(trees, segment.count, blocks);
        break;
    }
  }
  for (size_t b = 0; b < blocks.count; ++b)
    for (size_t k = 0; k < group.leaf_width; ++k) {
      if (group.doubles)
        add_double_leaves(group, k, blocks.slots[b], static_cast<double*>(blocks.sums[b]) + 64 * k);
      else
        add_float_leaves(group, k, blocks.slots[b], static_cast<float*>(blocks.sums[b]) + 64 * k);
    }
}

#undef SPINNEY_INLINE
#undef SPINNEY_UNCHECKED
