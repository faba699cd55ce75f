#include "spinney/kernel/forest/layout/lanes_layout.h"

#include <algorithm>
#include <bit>

#include "spinney/kernel/forest/layout/tree_shape.h"

namespace spinney::kernel {
namespace {

// A walk before its states have numbers.
struct Draft {
  LaneWalk walk;
  std::span<const Node> tree;
  std::vector<uint32_t> ends, inner, leaves;  // nodes
  uint32_t first_inner = 0, first_leaf = 0;   // states
};

class Builder {
 public:
  Builder(const Forest& forest, const rank::Ranker& ranker, LanesLayout& layout)
      : forest_(forest), ranker_(ranker), layout_(layout) {}

  Status build() {
    const std::vector<uint32_t> order = trees_by_output(forest_);
    for (size_t i = 0; i < order.size();) {
      size_t end = i;
      while (end < order.size() && end - i < kTreeLanes && target(order[end]) == target(order[i]))
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
    group.by_levels = std::all_of(trees.begin(), trees.end(), [&](uint32_t tree) {
      return forest_.tree(tree).size() == 1 || !level_tests(forest_.tree(tree), kLevelsMax).empty();
    });
    group.depth = std::clamp(*std::max_element(depths.begin(), depths.end()), 1u,
                             group.by_levels ? kLevelsMax : kTopDepthMax);
    group.positions = layout_.tests.size();
    group.leaf_begin = layout_.leaf_begins.size();
    group.first_walk = static_cast<uint32_t>(layout_.walks.size());
    group.next = layout_.next.size();
    const size_t positions = group.by_levels ? group.depth : (size_t{1} << group.depth) - 1;
    layout_.tests.resize(group.positions + positions * 2 * kTreeLanes);
    layout_.leaf_begins.resize(group.leaf_begin + kTreeLanes);
    layout_.position_count += static_cast<double>(positions);
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
    const size_t place = group.by_levels ? static_cast<size_t>(std::bit_width(heap)) - 1 : heap - 1;
    uint8_t* position = layout_.tests.data() + group.positions + place * 2 * kTreeLanes;
    position[lane] = static_cast<uint8_t>(test.column);
    position[kTreeLanes + lane] = test.rank;
    fill_top(group, lane, static_cast<uint32_t>(node.left), 2 * heap);
    fill_top(group, lane, static_cast<uint32_t>(node.right), 2 * heap + 1);
  }

  Status add_walk(uint32_t tree, size_t lane, uint32_t steps) {
    Draft draft;
    draft.tree = tree_;
    draft.ends = ends_;
    // Nodes below the top, parents before children, then leaves.
    std::vector<uint32_t> stack;
    for (size_t end = ends_.size(); end-- > 0;)
      if (stack.empty() || stack.back() != ends_[end]) stack.push_back(ends_[end]);
    while (!stack.empty()) {
      const uint32_t at = stack.back();
      stack.pop_back();
      if (tree_[at].is_leaf()) {
        draft.leaves.push_back(at);
        continue;
      }
      draft.inner.push_back(at);
      stack.push_back(static_cast<uint32_t>(tree_[at].right));
      stack.push_back(static_cast<uint32_t>(tree_[at].left));
    }
    draft.walk.lane = static_cast<uint32_t>(lane);
    draft.walk.steps = steps;
    draft.walk.words = static_cast<uint32_t>((draft.inner.size() + 63) / 64);
    if (draft.walk.words > kWalkWordsMax)
      return unsupported("tree " + std::to_string(tree) + " has " +
                         std::to_string(draft.inner.size()) +
                         " nodes below its first 6 levels; lanes hold at most 256");
    layout_.walk_steps += steps;
    layout_.walk_words += draft.walk.words;
    drafts_.push_back(std::move(draft));
    return {};
  }

  // Numbers the states of a group's walks. Trees share a word of decisions while it has room; their
  // leaves come after all words, and those of walks of several words after their own.
  void number_states() {
    uint32_t used = 0;
    for (Draft& draft : drafts_) {
      if (draft.walk.words != 1) continue;
      const auto count = static_cast<uint32_t>(draft.inner.size());
      if (used % 64 + count > 64) used = whole_words(used);
      draft.first_inner = used;
      used += count;
    }
    first_value_ = states_ = whole_words(used);
    for (Draft& draft : drafts_) {
      if (draft.walk.words != 1) continue;
      draft.first_leaf = states_;
      states_ += static_cast<uint32_t>(draft.leaves.size());
    }
    for (Draft& draft : drafts_) {
      if (draft.walk.words == 1) continue;
      draft.first_inner = draft.walk.first_state = whole_words(states_);
      draft.first_leaf = draft.first_inner + static_cast<uint32_t>(draft.inner.size());
      states_ = draft.first_leaf + static_cast<uint32_t>(draft.leaves.size());
    }
  }
  static uint32_t whole_words(uint32_t states) { return (states + 63) / 64 * 64; }

  // A draft's tests, which begin at the word that holds its first inner state.
  void add_tests(Draft& draft) {
    constexpr size_t kWordBytes = 2 * kTreeLanes;
    if (draft.walk.words == 1)
      draft.walk.tests = narrow_tests_ + draft.first_inner / 64 * kWordBytes;
    else
      draft.walk.tests = layout_.tests.size();
    const size_t end = draft.walk.tests + draft.walk.words * kWordBytes;
    if (layout_.tests.size() < end) layout_.tests.resize(end);
    for (size_t i = 0; i < draft.inner.size(); ++i) {
      const rank::NodeTest test = ranker_.test(draft.tree[draft.inner[i]]);
      const size_t place = draft.first_inner % 64 + i;
      uint8_t* word = layout_.tests.data() + draft.walk.tests + place / 64 * kWordBytes;
      word[place % 64] = static_cast<uint8_t>(test.column);
      word[kTreeLanes + place % 64] = test.rank;
    }
  }

  void add_states(Draft& draft, const LaneGroup& group) {
    state_of_.resize(draft.tree.size());
    for (size_t i = 0; i < draft.inner.size(); ++i)
      state_of_[draft.inner[i]] = static_cast<uint16_t>(draft.first_inner + i);
    for (size_t i = 0; i < draft.leaves.size(); ++i)
      state_of_[draft.leaves[i]] = static_cast<uint16_t>(draft.first_leaf + i);
    draft.walk.start = layout_.starts.size();
    for (const uint32_t end : draft.ends) layout_.starts.push_back(state_of_[end]);
    uint16_t* next = layout_.next.data() + group.next;
    for (const uint32_t at : draft.inner) {
      next[2 * state_of_[at]] = state_of_[static_cast<size_t>(draft.tree[at].left)];
      next[2 * state_of_[at] + 1] = state_of_[static_cast<size_t>(draft.tree[at].right)];
    }
    for (const uint32_t at : draft.leaves) {
      next[2 * state_of_[at]] = next[2 * state_of_[at] + 1] = state_of_[at];
      walk_leaves_[state_of_[at] - first_value_] = draft.tree[at].leaf_row();
    }
  }

  void finish_walks(LaneGroup& group) {
    number_states();
    layout_.next.resize(group.next + 2 * size_t{states_});
    walk_leaves_.assign(states_ - first_value_, UINT32_MAX);
    narrow_tests_ = layout_.tests.size();
    std::stable_sort(drafts_.begin(), drafts_.end(), [](const Draft& a, const Draft& b) {
      return (a.walk.words == 1) > (b.walk.words == 1);
    });
    for (Draft& draft : drafts_) {
      add_tests(draft);
      add_states(draft, group);
      layout_.walks.push_back(draft.walk);
    }
    // States below first_value_ have no values.
    const uint32_t begin = n_values() - first_value_;
    for (const uint32_t row : walk_leaves_) add_row(row);
    drafts_.clear();
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
  std::vector<Draft> drafts_;          // of the group
  std::vector<uint32_t> walk_leaves_;  // per state from first_value_ on: its leaf row, or none
  uint32_t states_ = 0, first_value_ = 0;
  size_t narrow_tests_ = 0;
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
