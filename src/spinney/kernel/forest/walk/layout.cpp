#include "spinney/kernel/forest/walk/layout.h"

#include <algorithm>
#include <bit>

#include "spinney/kernel/forest/walk/keys.h"

namespace spinney::kernel::walk {
namespace {

// Where each node of one tree goes: breadth first, so that siblings lie side by side.
struct Order {
  std::vector<uint32_t> nodes;     // the tree's nodes in their new order
  std::vector<uint32_t> distance;  // from a split to its left child; 0 for leaves
  uint32_t depth = 0;

  void make(std::span<const Node> tree) {
    nodes.assign(1, 0);
    distance.assign(tree.size(), 0);
    depth = 0;
    for (size_t i = 0, level_end = 1; i < nodes.size(); ++i) {
      if (i == level_end) {
        ++depth;
        level_end = nodes.size();
      }
      const Node& node = tree[nodes[i]];
      if (node.is_leaf()) continue;
      distance[i] = static_cast<uint32_t>(nodes.size() - i);
      nodes.push_back(static_cast<uint32_t>(node.left));
      nodes.push_back(static_cast<uint32_t>(node.right));
    }
  }
};

bool holds_values(const Forest& forest) {
  return forest.settings().leaf_width == 1 && forest.linear_leaves.empty() &&
         forest.settings().reduction == Reduction::kSum;
}

uint64_t payload(const Forest& forest, const Node& leaf, bool as_value, bool narrow) {
  if (!as_value) return leaf.leaf_row();
  const double value = forest.leaf_values[leaf.leaf_row()];
  if (narrow) return std::bit_cast<uint32_t>(static_cast<float>(value));
  const bool f32 = forest.settings().accumulator == NumberType::kFloat32;
  return std::bit_cast<uint64_t>(f32 ? static_cast<double>(static_cast<float>(value)) : value);
}

}  // namespace

template <typename Packed>
std::optional<Layout<Packed>> make_layout(const Forest& forest, const Columns& columns) {
  constexpr bool kNarrow = sizeof(Packed) == 8;
  using Key = typename Packed::Key;
  Layout<Packed> layout;
  const auto column_bits = static_cast<unsigned>(std::bit_width(columns.count() - 1)) + kLaneBits;
  if (kNarrow && column_bits >= 32) return std::nullopt;
  layout.column_shift = 64 - column_bits;
  layout.distance_bits = 32 - std::min(column_bits, 31u);
  layout.values_in_leaves =
      holds_values(forest) && (!kNarrow || forest.settings().accumulator == NumberType::kFloat32);
  layout.nodes.resize(forest.n_nodes());
  layout.trees.resize(forest.n_trees());
  Order order;
  for (size_t t = 0; t < forest.n_trees(); ++t) {
    const std::span<const Node> tree = forest.tree(t);
    order.make(tree);
    layout.trees[t] = {forest.tree_begin[t], order.depth};
    Packed* packed = layout.nodes.data() + forest.tree_begin[t];
    for (size_t i = 0; i < tree.size(); ++i) {
      const Node& node = tree[order.nodes[i]];
      const uint32_t distance = order.distance[i];
      const uint32_t column = node.is_leaf() ? 0 : columns.of(node);
      const uint64_t key = node.is_leaf() ? payload(forest, node, layout.values_in_leaves, kNarrow)
                                          : columns.last_left<Key>(node);
      if constexpr (kNarrow) {
        if (distance >> layout.distance_bits) return std::nullopt;
        packed[i].bits =
            uint64_t{column} << (layout.column_shift + kLaneBits) | uint64_t{distance} << 32 | key;
      } else {
        packed[i] = {key, distance, column};
      }
    }
  }
  return layout;
}

std::vector<Crown> make_crowns(const Layout<Narrow>& layout) {
  constexpr uint32_t kInner = (1u << Crown::kLevels) - 1;
  std::vector<Crown> crowns(layout.trees.size());
  const uint64_t distance_mask = (uint64_t{1} << layout.distance_bits) - 1;
  for (size_t t = 0; t < crowns.size(); ++t) {
    uint32_t place[2 * kInner + 1];  // of each node of the perfect tree, among layout.nodes
    place[0] = layout.trees[t].root;
    Crown& crown = crowns[t];
    crown.key[kInner] = crown.column[kInner] = 0;  // there is no such node
    for (uint32_t i = 0; i < kInner; ++i) {
      const uint64_t bits = layout.nodes[place[i]].bits;
      const auto distance = static_cast<uint32_t>((bits >> 32) & distance_mask);
      const bool leaf = distance == 0;
      crown.key[i] = leaf ? kMissingRight<uint32_t> : static_cast<uint32_t>(bits);
      crown.column[i] = leaf ? 0 : static_cast<uint32_t>(bits >> layout.column_shift);
      place[2 * i + 1] = place[i] + distance;
      place[2 * i + 2] = place[i] + distance + !leaf;
    }
    for (uint32_t i = 0; i <= kInner; ++i) crown.start[i] = place[kInner + i];
  }
  return crowns;
}

template std::optional<Layout<Narrow>> make_layout(const Forest&, const Columns&);
template std::optional<Layout<Wide>> make_layout(const Forest&, const Columns&);

}  // namespace spinney::kernel::walk
