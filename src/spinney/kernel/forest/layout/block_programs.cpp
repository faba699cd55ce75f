#include "spinney/kernel/forest/layout/block_programs.h"

#include <algorithm>
#include <deque>
#include <numeric>

namespace spinney::kernel {
namespace {

// So few that the temporaries of four blocks of rows stay in the L1 cache, and enough that a step
// seldom waits for one.
constexpr size_t kUsualTemporaries = 72;

}  // namespace

// Leaves of each subtree, and the temporaries that its steps need.
void ProgramBuilder::measure(std::span<const Node> tree, uint32_t at) {
  const Node& node = tree[at];
  if (node.is_leaf()) {
    subtree_leaves_[at] = 1;
    subtree_needs_[at] = subtree_height_[at] = 0;
    return;
  }
  const auto left = static_cast<uint32_t>(node.left), right = static_cast<uint32_t>(node.right);
  measure(tree, left);
  measure(tree, right);
  subtree_leaves_[at] = static_cast<uint16_t>(subtree_leaves_[left] + subtree_leaves_[right]);
  const uint16_t l = subtree_needs_[left], r = subtree_needs_[right];
  subtree_height_[at] =
      static_cast<uint16_t>(1 + std::max(subtree_height_[left], subtree_height_[right]));
  const int needs = std::max(1, l == r ? l + 1 : std::max(l, r));
  subtree_needs_[at] = static_cast<uint16_t>(subtree_height_[at] <= 2 ? 1 : needs);
}

// Appends a tree's steps, children first, with steps and leaves in place of slots.
void ProgramBuilder::add(uint32_t tree, size_t result) {
  const std::span<const Node> nodes = forest_.tree(tree);
  const size_t first = drafts_.size();
  subtree_leaves_.resize(nodes.size());
  subtree_needs_.resize(nodes.size());
  subtree_height_.resize(nodes.size());
  measure(nodes, 0);
  const Operand root = add_steps(nodes, 0, 0);
  if (drafts_.size() == first) drafts_.push_back({.left = root, .right = root});
  drafts_.back().result = static_cast<uint32_t>(result);
  const auto count = static_cast<double>(drafts_.size() - first);
  for (size_t i = first; i < drafts_.size(); ++i)
    drafts_[i].time = (static_cast<double>(i - first) + 0.5) / count;
  if (++pending_trees_ == kInterleavedTrees) schedule();
}

// The child that needs more temporaries goes first, so that 256 leaves need at most 8 (Sethi and
// Ullman, 1970).
ProgramBuilder::Operand ProgramBuilder::add_steps(std::span<const Node> tree, uint32_t at,
                                                  size_t first_leaf) {
  const Node& node = tree[at];
  if (node.is_leaf()) return {true, static_cast<uint32_t>(first_leaf)};
  const auto l = static_cast<uint32_t>(node.left), r = static_cast<uint32_t>(node.right);
  const size_t right_leaf = first_leaf + subtree_leaves_[l];
  if (subtree_height_[at] == 2) return add_bottom(tree, node, first_leaf, right_leaf);
  Operand left, right;
  if (subtree_needs_[l] >= subtree_needs_[r]) {
    left = add_steps(tree, l, first_leaf);
    right = add_steps(tree, r, right_leaf);
  } else {
    right = add_steps(tree, r, right_leaf);
    left = add_steps(tree, l, first_leaf);
  }
  drafts_.push_back({.test = ranker_.test(node), .left = left, .right = right});
  return {false, static_cast<uint32_t>(drafts_.size() - 1)};
}

ProgramBuilder::Operand ProgramBuilder::add_bottom(std::span<const Node> tree, const Node& node,
                                                   size_t left_leaf, size_t right_leaf) {
  const rank::NodeTest test = ranker_.test(node);
  const Node& left = tree[static_cast<size_t>(node.left)];
  const Node& right = tree[static_cast<size_t>(node.right)];
  // Where the right side is one leaf, its test, the node's own, has said right already.
  if (right.is_leaf()) --right_leaf;
  drafts_.push_back({.test = test,
                     .left = {true, static_cast<uint32_t>(left_leaf)},
                     .right = {true, static_cast<uint32_t>(right_leaf)},
                     .below = {left.is_leaf() ? test : ranker_.test(left),
                               right.is_leaf() ? test : ranker_.test(right)},
                     .is_bottom = true});
  return {false, static_cast<uint32_t>(drafts_.size() - 1)};
}

// A step reads what an earlier one stored, and a load that comes right after its store waits for
// it or, worse, is undone: so the steps of some programs are interleaved, each tree's spread
// evenly over the whole. Bottoms, which read no slot, come some at a time before their steps.
void ProgramBuilder::schedule() {
  if (drafts_.empty()) return;
  std::vector<uint32_t> order(drafts_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return drafts_[a].time < drafts_[b].time; });
  for (auto first = order.begin(); first != order.end();) {
    size_t bottoms = 0;
    auto last = first;
    while (last != order.end() && bottoms < kBottomsAtOnce) bottoms += drafts_[*last++].is_bottom;
    std::stable_partition(first, last, [&](uint32_t i) { return drafts_[i].is_bottom; });
    first = last;
  }
  place(order);
  drafts_.clear();
  pending_trees_ = 0;
}

// Gives slots to drafts in the order in which they run.
void ProgramBuilder::place(const std::vector<uint32_t>& order) {
  std::vector<uint16_t> slot_of(drafts_.size());
  std::deque<uint16_t> free;  // the longest free is taken first
  size_t temporaries = 0;
  const auto free_one = [&] { free.push_back(slot_offset(kFirstTemporary + temporaries++)); };
  while (temporaries < kUsualTemporaries) free_one();
  const auto take = [&](Operand operand) {
    if (operand.is_leaf) return slot_offset(kFirstConstant + operand.index);
    free.push_back(slot_of[operand.index]);
    return slot_of[operand.index];
  };
  for (const uint32_t i : order) {
    const Draft& draft = drafts_[i];
    uint16_t left = 0, right = 0, to = slot_offset(draft.result);
    if (!draft.is_bottom) left = take(draft.left), right = take(draft.right);
    if (draft.result == kNoResult) {
      if (free.empty()) free_one();
      to = free.front();
      free.pop_front();
    }
    slot_of[i] = to;
    const uint32_t ranks = spread(draft.test.rank);
    const uint16_t column = slot_offset(draft.test.column);
    extend_segment(draft.is_bottom ? kBottoms : kSteps);
    if (draft.is_bottom)
      layout_.bottoms.push_back(
          {{ranks, spread(draft.below[0].rank), spread(draft.below[1].rank)},
           draft.left.index * 0x01010101u,
           draft.right.index * 0x01010101u,
           {column, slot_offset(draft.below[0].column), slot_offset(draft.below[1].column)},
           to});
    else
      layout_.steps.push_back({ranks, column, left, right, to});
  }
}

// Segments of one group only are joined.
void ProgramBuilder::extend_segment(int kind) {
  auto& segments = layout_.segments;
  if (segments.size() == first_segment_ || segments.back().depth != kind)
    segments.push_back({kind, 0, kind == kBottoms ? layout_.bottoms.size() : layout_.steps.size()});
  ++segments.back().count;
}

}  // namespace spinney::kernel
