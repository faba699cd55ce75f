// Layout: the nodes of a forest packed for walking.
//
// All trees lie in one array. The two children of a split are neighbours, and a node says how far
// ahead its left child is, so that one addition with carry takes a walk a level down:
//
//   at += node.distance + (row's key in node.column > node.key)
//
// A leaf's distance is 0 and its column is 0, whose key is never above any other: it leads to
// itself, and its own key is free to hold what the leaf is worth (see payload).
// kNarrow packs a node into 8 bytes; kWide takes 16 and holds any forest. Wide keys are those of
// float64 numbers.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "spinney/base/aligned.h"
#include "spinney/base/shared_array.h"
#include "spinney/kernel/forest/walk/columns.h"
#include "spinney/model/forest.h"

namespace spinney::kernel::walk {

// Bits, lowest first: key 32, distance, column. The column's number is stored kWalkBits higher than
// need be, so that shifting a node by column_shift gives the column's place among keys of kWalks
// rows, and by column_shift + kWalkBits its place among the keys of one row.
struct Narrow {
  using Key = uint32_t;
  uint64_t bits;
};

struct Wide {
  using Key = uint64_t;
  uint64_t key;
  uint32_t distance;
  uint32_t column;
};

struct Tree {
  uint32_t root;
  uint32_t depth;  // splits on the longest way down
};

// The first levels of a tree as a perfect tree, for kernels that evaluate all of its nodes for many
// rows at once and walk from where that leads. Nodes lie level by level; where the tree has none,
// the node sends every row left, and all ways down from there start at the same leaf.
struct Crown {
  static constexpr unsigned kLevels = 5;
  uint32_t key[1 << kLevels];     // the last key that goes left
  uint32_t column[1 << kLevels];  // its place among the keys of kWalks rows
  uint32_t start[1 << kLevels];   // where the walk goes on; the first level decides the highest bit
};

template <typename Packed>
struct Layout {
  AlignedVector<Packed> nodes;
  std::vector<Tree> trees;
  unsigned column_shift = 0;    // kNarrow
  unsigned distance_bits = 32;  // kNarrow
  // Leaves hold their value in the accumulator's type (Narrow: float32) instead of their row.
  bool values_in_leaves = false;
  // Rows of leaf values: the forest's own or, where many leaves have equal rows, each row once, so
  // that they stay in a core's cache.
  SharedArray<double> leaf_rows;
  bool rows_shared = false;

  typename Packed::Key leaf_payload(uint32_t at) const {
    if constexpr (sizeof(Packed) == 8)
      return static_cast<uint32_t>(nodes[at].bits);
    else
      return nodes[at].key;
  }
  size_t bytes() const {
    return nodes.size() * sizeof(Packed) + trees.size() * sizeof(Tree) +
           (rows_shared ? leaf_rows.bytes() : 0);
  }
};

// The crowns of all trees, which add about 400 bytes each.
std::vector<Crown> make_crowns(const Layout<Narrow>& layout);

// Nothing if a node's distance and column do not fit (kNarrow only).
template <typename Packed>
std::optional<Layout<Packed>> make_layout(const Forest& forest, const Columns& columns);

}  // namespace spinney::kernel::walk
