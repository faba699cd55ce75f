// Steps: the loops that walk, compiled once for each instruction set (steps.inc).
#pragma once

#include <cstddef>
#include <cstdint>

#include "spinney/kernel/forest/walk/layout.h"

namespace spinney::kernel::walk {

// What does not change while a forest is walked.
template <typename Packed>
struct Ground {
  const Packed* nodes;
  unsigned column_shift;
  unsigned distance_bits;
};

template <typename Packed>
struct Steps {
  using Key = typename Packed::Key;
  // Walks groups of kWalks rows down one tree: at[i] is the leaf of row i. The keys of a group are
  // group_keys apart. `crown` is the tree's, or null.
  void (*rows16)(const Ground<Packed>&, Tree tree, const Crown* crown, const Key* keys,
                 size_t group_keys, size_t groups, uint32_t* at);
  // Walks n <= 4 rows down four trees, n <= 8 down two: at[tree * 4 + row], at[tree * 8 + row].
  // The keys are laid out as for kWalks rows.
  void (*rows4)(const Ground<Packed>&, const Tree trees[4], const Key* keys, uint32_t* at);
  void (*rows8)(const Ground<Packed>&, const Tree trees[2], const Key* keys, uint32_t* at);
  // Walks one row down 16 trees: at[tree]. One key a column.
  void (*trees16)(const Ground<Packed>&, const Tree trees[16], const Key* keys, uint32_t* at);
};

}  // namespace spinney::kernel::walk
