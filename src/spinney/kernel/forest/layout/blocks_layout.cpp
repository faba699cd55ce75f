#include "spinney/kernel/forest/layout/blocks_layout.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <numeric>

#include "spinney/kernel/forest/layout/integer_leaves.h"
#include "spinney/kernel/forest/layout/tree_shape.h"

namespace spinney::kernel {
namespace {

constexpr size_t kLeavesMax = 256;

constexpr uint16_t slot_offset(size_t slot) { return static_cast<uint16_t>(slot * 8); }

constexpr uint32_t kNoResult = UINT32_MAX;

// What a step reads: a leaf's number, or the result of the step of that index.
struct Operand {
  bool is_leaf = true;
  uint32_t index = 0;
};

// A step before it has its slots.
struct Draft {
  rank::NodeTest test;
  Operand left, right;
  double time = 0;
  uint32_t result = kNoResult;  // a root's: which of the group's trees it finishes
};

class Builder {
 public:
  Builder(const Forest& forest, const rank::Ranker& ranker, const LayoutOptions& options,
          BlocksLayout& layout)
      : forest_(forest), ranker_(ranker), options_(options), layout_(layout) {}

  void build() {
    layout_.code_bytes = code_bytes_for(forest_);
    const std::vector<uint32_t> order = trees_by_output(forest_);
    for (size_t i = 0; i < order.size();) {
      size_t end = i;
      while (end < order.size() && end - i < kGroupTrees && target(order[end]) == target(order[i]))
        ++end;
      add_group(std::span<const uint32_t>(order).subspan(i, end - i));
      i = end;
    }
  }

 private:
  uint32_t in_each_byte(uint8_t rank) const {
    return static_cast<uint32_t>(rank ^ options_.rank_flip) * 0x01010101u;
  }
  uint32_t target(uint32_t tree) const {
    return forest_.settings().leaf_width == 1 ? forest_.tree_target[tree] : 0;
  }

  void add_group(std::span<const uint32_t> trees) {
    Group group;
    group.target = target(trees[0]);
    group.first_tree = static_cast<uint32_t>(layout_.leaves.size());
    group.tree_count = static_cast<uint32_t>(trees.size());
    group.first_segment = static_cast<uint32_t>(layout_.segments.size());
    int depths[kGroupTrees] = {};
    for (size_t i = 0; i < trees.size(); ++i) {
      const TreeShape shape = shape_of(forest_.tree(trees[i]));
      const double padded = static_cast<double>(uint64_t{1} << std::min(shape.depth, 20u)) - 1;
      const bool perfect = shape.depth >= 1 && shape.depth <= kPerfectDepthMax &&
                           padded <= options_.step_cost * (shape.leaves - 1);
      depths[i] = perfect ? static_cast<int>(shape.depth) : 0;
    }
    for (int depth = 0; depth <= kPerfectDepthMax; ++depth) {
      Segment segment{depth, 0, depth == 0 ? layout_.steps.size() : layout_.trees.size()};
      for (size_t i = 0; i < trees.size(); ++i) {
        if (depths[i] != depth) continue;
        order_leaves(trees[i], depth);
        if (depth == 0)
          add_program(trees[i], i);
        else
          add_perfect(trees[i], i, depth);
        ++segment.count;
        rows_of_leaves_[i] = leaf_rows_;
      }
      if (segment.count == 0) continue;
      if (depth == 0) schedule_programs();
      if (depth == 0) segment.count = static_cast<uint32_t>(layout_.steps.size() - segment.begin);
      layout_.segments.push_back(segment);
    }
    group.segment_count = static_cast<uint32_t>(layout_.segments.size()) - group.first_segment;
    for (size_t i = 0; i < trees.size(); ++i) add_leaves(rows_of_leaves_[i]);
    layout_.groups.push_back(group);
  }

  // Leaf rows by leaf number: from left to right, repeated where a perfect tree pads.
  void order_leaves(uint32_t tree, int depth) {
    leaf_rows_.clear();
    collect_leaves(forest_.tree(tree), 0, depth);
  }
  void collect_leaves(std::span<const Node> tree, int32_t at, int levels) {
    const Node& node = tree[static_cast<size_t>(at)];
    if (node.is_leaf()) {
      leaf_rows_.insert(leaf_rows_.end(), size_t{1} << std::max(levels, 0), node.leaf_row());
      return;
    }
    collect_leaves(tree, node.left, levels - 1);
    collect_leaves(tree, node.right, levels - 1);
  }

  void add_perfect(uint32_t tree, size_t result, int depth) {
    const size_t begin = layout_.trees.size();
    layout_.trees.resize(begin + perfect_bytes(depth));
    auto* ranks = reinterpret_cast<uint32_t*>(layout_.trees.data() + begin);
    auto* columns = reinterpret_cast<uint16_t*>(ranks + (size_t{1} << depth));
    columns[0] = slot_offset(result);
    fill_perfect(forest_.tree(tree), 0, 1, size_t{1} << depth, ranks, columns);
    layout_.nodes_evaluated += static_cast<double>((size_t{1} << depth) - 1);
  }
  void fill_perfect(std::span<const Node> tree, int32_t at, size_t heap, size_t end,
                    uint32_t* ranks, uint16_t* columns) {
    const Node& node = tree[static_cast<size_t>(at)];
    if (node.is_leaf()) return;  // the padding's tests, all zero, may go either way
    const rank::NodeTest test = ranker_.test(node);
    ranks[heap] = in_each_byte(test.rank);
    columns[heap] = slot_offset(test.column);
    if (2 * heap >= end) return;
    fill_perfect(tree, node.left, 2 * heap, end, ranks, columns);
    fill_perfect(tree, node.right, 2 * heap + 1, end, ranks, columns);
  }

  // Leaves of each subtree, and the temporaries that its steps need.
  void measure(std::span<const Node> tree, uint32_t at) {
    const Node& node = tree[at];
    if (node.is_leaf()) {
      subtree_leaves_[at] = 1;
      subtree_needs_[at] = 0;
      return;
    }
    const auto left = static_cast<uint32_t>(node.left), right = static_cast<uint32_t>(node.right);
    measure(tree, left);
    measure(tree, right);
    subtree_leaves_[at] = static_cast<uint16_t>(subtree_leaves_[left] + subtree_leaves_[right]);
    const uint16_t l = subtree_needs_[left], r = subtree_needs_[right];
    subtree_needs_[at] = static_cast<uint16_t>(std::max(1, l == r ? l + 1 : std::max(l, r)));
  }

  // Appends a tree's steps, children first, with steps and leaves in place of slots.
  void add_program(uint32_t tree, size_t result) {
    const std::span<const Node> nodes = forest_.tree(tree);
    const size_t first = drafts_.size();
    subtree_leaves_.resize(nodes.size());
    subtree_needs_.resize(nodes.size());
    measure(nodes, 0);
    const Operand root = add_steps(nodes, 0, 0);
    if (drafts_.size() == first) drafts_.push_back({{}, root, root, 0, kNoResult});
    drafts_.back().result = static_cast<uint32_t>(result);
    const auto count = static_cast<double>(drafts_.size() - first);
    for (size_t i = first; i < drafts_.size(); ++i)
      drafts_[i].time = (static_cast<double>(i - first) + 0.5) / count;
  }

  // The child that needs more temporaries goes first, so that 256 leaves need at most 8 (Sethi and
  // Ullman, 1970).
  Operand add_steps(std::span<const Node> tree, uint32_t at, size_t first_leaf) {
    const Node& node = tree[at];
    if (node.is_leaf()) return {true, static_cast<uint32_t>(first_leaf)};
    const auto l = static_cast<uint32_t>(node.left), r = static_cast<uint32_t>(node.right);
    const size_t right_leaf = first_leaf + subtree_leaves_[l];
    Operand left, right;
    if (subtree_needs_[l] >= subtree_needs_[r]) {
      left = add_steps(tree, l, first_leaf);
      right = add_steps(tree, r, right_leaf);
    } else {
      right = add_steps(tree, r, right_leaf);
      left = add_steps(tree, l, first_leaf);
    }
    drafts_.push_back({ranker_.test(node), left, right, 0, kNoResult});
    return {false, static_cast<uint32_t>(drafts_.size() - 1)};
  }

  // A step reads what an earlier one stored, and a load that comes right after its store waits for
  // it or, worse, is undone: so the steps of a group's programs are interleaved, each tree's spread
  // evenly over the whole.
  void schedule_programs() {
    std::vector<uint32_t> order(drafts_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return drafts_[a].time < drafts_[b].time; });
    std::vector<uint16_t> slot_of(drafts_.size());
    std::deque<uint16_t> free;  // the longest free is taken first
    for (size_t i = 0; i < kTemporarySlots; ++i) free.push_back(slot_offset(kFirstTemporary + i));
    const auto take = [&](Operand operand) {
      if (operand.is_leaf) return slot_offset(kFirstConstant + operand.index);
      free.push_back(slot_of[operand.index]);
      return slot_of[operand.index];
    };
    for (const uint32_t i : order) {
      const Draft& draft = drafts_[i];
      Step step{in_each_byte(draft.test.rank), slot_offset(draft.test.column), take(draft.left),
                take(draft.right), slot_offset(draft.result)};
      if (draft.result == kNoResult) {
        step.to = free.front();
        free.pop_front();
      }
      slot_of[i] = step.to;
      layout_.steps.push_back(step);
    }
    layout_.steps_evaluated += static_cast<double>(drafts_.size());
    drafts_.clear();
  }

  void add_leaves(const std::vector<uint32_t>& rows) {
    const ForestSettings& s = forest_.settings();
    const size_t code_bytes = layout_.code_bytes;
    const size_t value_bytes = code_bytes != 0 ? code_bytes : size_of(s.accumulator);
    const size_t tables = rows.size() <= 64 ? 1 : rows.size() <= 128 ? 2 : 4;
    const size_t begin = layout_.planes.size();
    const size_t sixteens = (rows.size() + 15) / 16;
    layout_.leaves.push_back(
        {static_cast<uint16_t>(tables), static_cast<uint16_t>(sixteens), begin});
    layout_.planes.resize(begin + s.leaf_width * value_bytes * tables * 64);
    for (uint32_t k = 0; k < s.leaf_width; ++k)
      for (size_t leaf = 0; leaf < rows.size(); ++leaf) {
        const double value = forest_.leaf_values[size_t{rows[leaf]} * s.leaf_width + k];
        const auto narrow = static_cast<float>(value);
        uint8_t bytes[8];
        if (code_bytes != 0) {
          const auto code =
              static_cast<uint16_t>(static_cast<int>(value) + code_offset(code_bytes));
          bytes[0] = static_cast<uint8_t>(code & 0xff);
          bytes[1] = static_cast<uint8_t>(code >> 8);
        } else if (value_bytes == 4)
          std::memcpy(bytes, &narrow, 4);
        else
          std::memcpy(bytes, &value, 8);
        for (size_t b = 0; b < value_bytes; ++b)
          layout_.planes[begin + (k * value_bytes + b) * tables * 64 + leaf] = bytes[b];
      }
    layout_.planes_fetched += static_cast<double>(s.leaf_width * value_bytes * tables);
    layout_.sixteens_fetched += static_cast<double>(s.leaf_width * value_bytes * sixteens);
  }

  const Forest& forest_;
  const rank::Ranker& ranker_;
  const LayoutOptions& options_;
  BlocksLayout& layout_;
  std::vector<uint32_t> leaf_rows_;
  std::vector<uint32_t> rows_of_leaves_[kGroupTrees];
  std::vector<uint16_t> subtree_leaves_, subtree_needs_;
  std::vector<Draft> drafts_;
};

}  // namespace

Status BlocksLayout::check(const Forest& forest) {
  if (!forest.linear_leaves.empty()) return unsupported("blocks cannot evaluate linear leaves");
  if (forest.settings().reduction != Reduction::kSum)
    return unsupported("blocks add leaves, which a weighted median is not");
  SPINNEY_TRY(check_padding(forest));
  // A binary tree of 256 leaves has 511 nodes.
  for (size_t t = 0; t < forest.n_trees(); ++t)
    if (forest.tree(t).size() > 2 * kLeavesMax - 1)
      return unsupported("tree " + std::to_string(t) + " has " +
                         std::to_string(forest.tree(t).size()) +
                         " nodes; blocks hold trees of at most 256 leaves");
  return {};
}

std::unique_ptr<BlocksLayout> BlocksLayout::make(const Forest& forest, const rank::Ranker& ranker,
                                                 const LayoutOptions& options) {
  auto layout = std::make_unique<BlocksLayout>();
  Builder(forest, ranker, options, *layout).build();
  return layout;
}

size_t BlocksLayout::bytes() const {
  return groups.size() * sizeof(Group) + segments.size() * sizeof(Segment) + trees.size() +
         steps.size() * sizeof(Step) + leaves.size() * sizeof(Leaves) + planes.size();
}

}  // namespace spinney::kernel
