#include "spinney/kernel/forest/layout/lanes_layout.h"

#include <algorithm>

#include "spinney/kernel/forest/layout/tree_shape.h"

namespace spinney::kernel {
namespace {

class Builder {
 public:
  Builder(const Forest& forest, const rank::Ranker& ranker, LanesLayout& layout)
      : forest_(forest), ranker_(ranker), layout_(layout) {}

  Status build() {
    const std::vector<uint32_t> order = trees_by_output(forest_);
    for (size_t i = 0; i < order.size();) {
      size_t end = i;
      while (end < order.size() && end - i < kLanes && target(order[end]) == target(order[i]))
        ++end;
      SPINNEY_TRY(add_group(std::span<const uint32_t>(order).subspan(i, end - i)));
      i = end;
    }
    return {};
  }

 private:
  uint32_t target(uint32_t tree) const {
    return forest_.settings().leaf_width == 1 ? forest_.tree_target[tree] : 0;
  }

  Status add_group(std::span<const uint32_t> trees) {
    LaneGroup group;
    group.target = target(trees[0]);
    group.tree_count = static_cast<uint32_t>(trees.size());
    std::vector<uint32_t> depths;
    for (const uint32_t tree : trees) depths.push_back(shape_of(forest_.tree(tree)).depth);
    group.depth = std::clamp(*std::max_element(depths.begin(), depths.end()), 1u, kTopDepthMax);
    group.positions = layout_.tests.size();
    group.leaf_begin = layout_.leaf_begins.size();
    group.first_walk = static_cast<uint32_t>(layout_.walks.size());
    group.next = layout_.next.size();
    const size_t positions = (size_t{1} << group.depth) - 1;
    layout_.tests.resize(group.positions + positions * 2 * kLanes);
    layout_.leaf_begins.resize(group.leaf_begin + kLanes);
    layout_.position_count += static_cast<double>(positions);
    states_ = 0;
    for (size_t lane = 0; lane < trees.size(); ++lane) {
      tree_ = forest_.tree(trees[lane]);
      ends_.assign(size_t{1} << group.depth, 0);
      fill_top(group, lane, 0, 1);
      if (depths[lane] <= group.depth) {
        layout_.leaf_begins[group.leaf_begin + lane] = n_values();
        for (const uint32_t end : ends_) add_value(end);
      } else {
        SPINNEY_TRY(add_walk(trees[lane], lane, depths[lane] - group.depth));
      }
    }
    finish_walks(group);
    layout_.groups.push_back(group);
    return {};
  }

  // Nodes of the top into their positions; ends_ gets the node that each path out of it reaches.
  void fill_top(const LaneGroup& group, size_t lane, uint32_t at, size_t heap) {
    const Node& node = tree_[at];
    const size_t n_ends = ends_.size();
    if (node.is_leaf() || heap >= n_ends) {
      size_t first = heap, count = 1;
      while (first < n_ends) {
        first *= 2;
        count *= 2;
      }
      std::fill_n(ends_.begin() + static_cast<ptrdiff_t>(first - n_ends), count, at);
      return;
    }
    const rank::NodeTest test = ranker_.test(node);
    uint8_t* position = layout_.tests.data() + group.positions + (heap - 1) * 2 * kLanes;
    position[lane] = static_cast<uint8_t>(test.column);
    position[kLanes + lane] = test.rank;
    fill_top(group, lane, static_cast<uint32_t>(node.left), 2 * heap);
    fill_top(group, lane, static_cast<uint32_t>(node.right), 2 * heap + 1);
  }

  Status add_walk(uint32_t tree, size_t lane, uint32_t steps) {
    // Nodes below the top, parents before children, then leaves.
    std::vector<uint32_t> inner, leaves;
    std::vector<uint32_t> stack;
    for (size_t end = ends_.size(); end-- > 0;)
      if (stack.empty() || stack.back() != ends_[end]) stack.push_back(ends_[end]);
    while (!stack.empty()) {
      const uint32_t at = stack.back();
      stack.pop_back();
      if (tree_[at].is_leaf()) {
        leaves.push_back(at);
        continue;
      }
      inner.push_back(at);
      stack.push_back(static_cast<uint32_t>(tree_[at].right));
      stack.push_back(static_cast<uint32_t>(tree_[at].left));
    }
    LaneWalk walk;
    walk.lane = static_cast<uint32_t>(lane);
    walk.steps = steps;
    walk.words = static_cast<uint32_t>((inner.size() + 63) / 64);
    walk.first_state = states_;
    walk.tests = layout_.tests.size();
    walk.start = layout_.starts.size();
    if (walk.words > kWalkWordsMax)
      return unsupported("tree " + std::to_string(tree) + " has " + std::to_string(inner.size()) +
                         " nodes below its first 6 levels; lanes hold at most 256");
    state_of_.resize(tree_.size());
    for (size_t i = 0; i < inner.size(); ++i)
      state_of_[inner[i]] = static_cast<uint16_t>(states_ + i);
    const size_t first_leaf = states_ + inner.size();
    for (size_t i = 0; i < leaves.size(); ++i)
      state_of_[leaves[i]] = static_cast<uint16_t>(first_leaf + i);
    add_tests(inner, walk.words);
    for (const uint32_t end : ends_) layout_.starts.push_back(state_of_[end]);
    add_states(inner, leaves);
    layout_.walks.push_back(walk);
    layout_.walk_steps += steps;
    layout_.walk_words += walk.words;
    return {};
  }

  void add_tests(const std::vector<uint32_t>& inner, size_t words) {
    const size_t begin = layout_.tests.size();
    layout_.tests.resize(begin + words * 2 * kLanes);
    for (size_t i = 0; i < inner.size(); ++i) {
      const rank::NodeTest test = ranker_.test(tree_[inner[i]]);
      uint8_t* word = layout_.tests.data() + begin + i / 64 * 2 * kLanes;
      word[i % 64] = static_cast<uint8_t>(test.column);
      word[kLanes + i % 64] = test.rank;
    }
  }

  // States, and the values of the group's walks, which are indexed by state.
  void add_states(const std::vector<uint32_t>& inner, const std::vector<uint32_t>& leaves) {
    for (const uint32_t at : inner) {
      layout_.next.push_back(state_of_[static_cast<size_t>(tree_[at].left)]);
      layout_.next.push_back(state_of_[static_cast<size_t>(tree_[at].right)]);
      walk_leaves_.push_back(UINT32_MAX);
    }
    for (const uint32_t at : leaves) {
      layout_.next.insert(layout_.next.end(), 2, state_of_[at]);
      walk_leaves_.push_back(tree_[at].leaf_row());
    }
    while (walk_leaves_.size() % 64 != 0) {
      layout_.next.insert(layout_.next.end(), 2, 0);
      walk_leaves_.push_back(UINT32_MAX);
    }
    states_ = static_cast<uint32_t>(walk_leaves_.size());
  }

  void finish_walks(LaneGroup& group) {
    const uint32_t begin = n_values();
    for (const uint32_t row : walk_leaves_) add_row(row);
    walk_leaves_.clear();
    const auto first = layout_.walks.begin() + group.first_walk;
    std::sort(first, layout_.walks.end(), [](const LaneWalk& a, const LaneWalk& b) {
      if ((a.words > 1) != (b.words > 1)) return a.words == 1;
      return a.steps != b.steps ? a.steps < b.steps : a.lane < b.lane;
    });
    group.walk_count = static_cast<uint32_t>(layout_.walks.end() - first);
    for (auto walk = first; walk != layout_.walks.end(); ++walk) {
      layout_.leaf_begins[group.leaf_begin + walk->lane] = begin;
      group.narrow_count += walk->words == 1;
    }
  }

  uint32_t n_values() const {
    return static_cast<uint32_t>((layout_.floats.size() + layout_.doubles.size()) /
                                 forest_.settings().leaf_width);
  }
  void add_value(uint32_t at) { add_row(tree_[at].leaf_row()); }
  void add_row(uint32_t row) {
    const ForestSettings& s = forest_.settings();
    for (uint32_t k = 0; k < s.leaf_width; ++k) {
      const double value =
          row == UINT32_MAX ? 0 : forest_.leaf_values[size_t{row} * s.leaf_width + k];
      if (s.accumulator == NumberType::kFloat32)
        layout_.floats.push_back(static_cast<float>(value));
      else
        layout_.doubles.push_back(value);
    }
  }

  const Forest& forest_;
  const rank::Ranker& ranker_;
  LanesLayout& layout_;
  std::span<const Node> tree_;
  std::vector<uint32_t> ends_;
  std::vector<uint16_t> state_of_;
  std::vector<uint32_t> walk_leaves_;  // per state of the group: its leaf row, or none
  uint32_t states_ = 0;
};

}  // namespace

Status LanesLayout::check(const Forest& forest) {
  if (!forest.linear_leaves.empty()) return unsupported("lanes cannot evaluate linear leaves");
  if (forest.settings().reduction != Reduction::kSum)
    return unsupported("lanes add leaves, which a weighted median is not");
  SPINNEY_TRY(check_padding(forest));
  // The top has 63 nodes at most, and a tree one leaf more than it has inner nodes.
  const size_t nodes_max = 2 * (63 + 64 * kWalkWordsMax) + 1;
  for (size_t t = 0; t < forest.n_trees(); ++t)
    if (forest.tree(t).size() > nodes_max)
      return unsupported("tree " + std::to_string(t) + " has " +
                         std::to_string(forest.tree(t).size()) + " nodes; lanes hold at most " +
                         std::to_string(nodes_max));
  return {};
}

Result<std::unique_ptr<LanesLayout>> LanesLayout::make(const Forest& forest,
                                                       const rank::Ranker& ranker) {
  if (ranker.n_columns() > kLaneColumnsMax)
    return unsupported("it needs " + std::to_string(ranker.n_columns()) +
                       " columns of ranks; lanes hold at most 256");
  auto layout = std::make_unique<LanesLayout>();
  SPINNEY_TRY(Builder(forest, ranker, *layout).build());
  return layout;
}

size_t LanesLayout::bytes() const {
  return groups.size() * sizeof(LaneGroup) + walks.size() * sizeof(LaneWalk) + tests.size() +
         leaf_begins.size() * 4 + (starts.size() + next.size()) * 2 + floats.size() * 4 +
         doubles.size() * 8;
}

}  // namespace spinney::kernel
