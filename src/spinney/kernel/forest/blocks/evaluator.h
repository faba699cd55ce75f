// The kernel "blocks": evaluates all nodes of a tree for many rows at once, on one-byte ranks. No
// gather, no branch and no load that depends on data; see layout/blocks_layout.h for the limits.
//
// Rows come in blocks of 64, whose ranks lie column by column. One vector holds all rows of a block
// (AVX-512) or half of them (AVX2); trees are added to two or four vectors at a time, which
// share the loads of nodes.
#pragma once

#include <string_view>

#include "spinney/kernel/forest/evaluator.h"
#include "spinney/kernel/forest/layout/blocks_layout.h"
#include "spinney/rank/view.h"

namespace spinney::kernel::blocks {

// Some vectors of rows: from one column, slot or output to the next it is always 64 rows.
// columns: ranks; slots: kSlots of them, constants in place; sums: one per row and output.
inline constexpr size_t kVectorsMax = 4;
struct Vectors {
  const uint8_t* columns[kVectorsMax];
  uint8_t* slots[kVectorsMax];
  void* sums[kVectorsMax];
  size_t count = 1;
};
struct GroupView {
  const Segment* segments;
  size_t segment_count;
  const uint8_t* trees;
  const Step* steps;
  const Bottom* bottoms;
  const Leaves* leaves;
  size_t tree_count;
  const uint8_t* planes;
  size_t leaf_width;
  bool doubles;
  size_t code_bytes;
};

// Estimated times in nanoseconds, for one vector of rows; `paired` ones where there are two.
struct Costs {
  double column = 0;
  double node = 0, paired_node = 0;
  double step = 0, paired_step = 0;
  double plane = 0;    // of 64 leaves
  double sixteen = 0;  // the part of a plane for 16 leaves
};

// The kernel for one instruction set.
struct Variant {
  std::string_view name;
  size_t together;     // vectors given to add_group at most
  size_t vector_rows;  // 64, or 32
  LayoutOptions layout;
  Costs costs;
  // Adds a group's trees to up to `together` vectors of rows. Sums lie in the order of
  // sum_position().
  void (*add_group)(const GroupView& group, const Vectors& rows);
  // Ranks of rows [first, first + n), n <= 64, as columns of 64 bytes.
  void (*rank_block)(const rank::View& view, const Rows& rows, size_t first, size_t n,
                     uint8_t* columns);
};

// Where sums of row r of a block lie: byte planes are unpacked within 128-bit lanes of a vector.
constexpr size_t sum_position(size_t r, size_t vector_rows, bool doubles) {
  const size_t lanes = vector_rows / 16;
  const size_t lane = r % vector_rows / 16, within = r % 16;
  const size_t in_vector = doubles ? (within / 2 * lanes + lane) * 2 + within % 2
                                   : (within / 4 * lanes + lane) * 4 + within % 4;
  return r / vector_rows * vector_rows + in_vector;
}

Result<std::unique_ptr<ForestEvaluator>> make_blocks(const Forest& forest, SharedTables& shared,
                                                     const Variant& variant);

}  // namespace spinney::kernel::blocks
