// Lays out trees that are far from perfect as programs of the kernel "blocks": bottoms, the lowest
// two levels of a tree without a load of slots, and a step for every other node.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "spinney/kernel/forest/layout/blocks_layout.h"

namespace spinney::kernel {

constexpr uint16_t slot_offset(size_t slot) { return static_cast<uint16_t>(slot * 8); }
// A node's rank as the kernel compares it, in each of four bytes.
constexpr uint32_t spread_rank(uint8_t rank, uint8_t flip) {
  return static_cast<uint32_t>(rank ^ flip) * 0x01010101u;
}

class ProgramBuilder {
 public:
  ProgramBuilder(const Forest& forest, const rank::Ranker& ranker, uint8_t rank_flip,
                 BlocksLayout& layout)
      : forest_(forest), ranker_(ranker), rank_flip_(rank_flip), layout_(layout) {}

  void begin_group() { first_segment_ = layout_.segments.size(); }
  // Adds a tree whose leaf's number goes into the slot `result`.
  void add(uint32_t tree, size_t result);
  // Lays out what has been added.
  void finish() { schedule(); }

 private:
  static constexpr uint32_t kNoResult = UINT32_MAX;

  // What a step reads: a leaf's number, or the result of the step of that index.
  struct Operand {
    bool is_leaf = true;
    uint32_t index = 0;
  };

  // A step before it has its slots.
  struct Draft {
    rank::NodeTest test = {};
    Operand left, right;
    rank::NodeTest below[2] = {};  // a bottom's, whose operands are the first leaves of either side
    bool is_bottom = false;
    double time = 0;
    uint32_t result = kNoResult;  // a root's: which of the group's trees it finishes
  };

  uint32_t spread(uint8_t rank) const { return spread_rank(rank, rank_flip_); }
  void measure(std::span<const Node> tree, uint32_t at);
  Operand add_steps(std::span<const Node> tree, uint32_t at, size_t first_leaf);
  Operand add_bottom(std::span<const Node> tree, const Node& node, size_t left_leaf,
                     size_t right_leaf);
  void schedule();
  void place(const std::vector<uint32_t>& order);
  void extend_segment(int kind);

  const Forest& forest_;
  const rank::Ranker& ranker_;
  const uint8_t rank_flip_;
  BlocksLayout& layout_;
  size_t first_segment_ = 0;  // of the group
  size_t pending_trees_ = 0;
  std::vector<uint16_t> subtree_leaves_, subtree_needs_, subtree_height_;
  std::vector<Draft> drafts_;
};

}  // namespace spinney::kernel
