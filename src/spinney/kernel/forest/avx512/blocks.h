// K1, "blocks": evaluates all nodes of a tree for 64 rows at once, on one-byte ranks. No gather, no
// branch and no load that depends on data; see layout/blocks_layout.h for the limits.
#pragma once

#include "spinney/kernel/forest/evaluator.h"
#include "spinney/kernel/forest/layout/blocks_layout.h"

namespace spinney::kernel {

Result<std::unique_ptr<ForestEvaluator>> make_blocks_avx512(const Forest& forest);
Result<std::unique_ptr<ForestEvaluator>> make_blocks_avx512vbmi(const Forest& forest);

// Adds a group's trees to one or two blocks. columns: 64 bytes per column of each block; slots:
// kSlots * 64 bytes per block, constants in place; sums: per output 64 sums in the order that
// sum_position() says.
struct BlockPair {
  const uint8_t* columns[2];
  uint8_t* slots[2];
  void* sums[2];
  size_t count = 1;
};
struct GroupView {
  const Segment* segments;
  size_t segment_count;
  const uint8_t* trees;
  const Step* steps;
  const Leaves* leaves;
  size_t tree_count;
  const uint8_t* planes;
  size_t leaf_width;
  bool doubles;
};

namespace avx512 {
void add_group(const GroupView& group, const BlockPair& blocks);
}
namespace avx512vbmi {
void add_group(const GroupView& group, const BlockPair& blocks);
}

}  // namespace spinney::kernel
