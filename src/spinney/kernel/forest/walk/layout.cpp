#include "spinney/kernel/forest/walk/layout.h"

#include <algorithm>
#include <bit>

#include "spinney/kernel/forest/walk/keys.h"
#include "spinney/kernel/forest/walk/shared_rows.h"

namespace spinney::kernel::walk {
namespace {

// Where each node of one tree goes. Siblings lie side by side, and a cache line takes a pair, its
// children's pairs and so on while there is room, so that a walk finds its next levels in the line
// it has just read. No room is wasted: what does not fit begins another line later.
struct Order {
  explicit Order(size_t room) : pairs_per_line(room) {}

  size_t pairs_per_line;
  std::vector<uint32_t> nodes;   // the tree's nodes in their new order
  std::vector<uint32_t> places;  // of each node of the tree, in the new order
  std::vector<uint32_t> pairs;   // splits whose children begin a part of a line
  std::vector<uint32_t> depths;  // of nodes in their new order
  uint32_t depth = 0;

  // The place after the root is the first of a pair that lies at `first_pair` pairs into a line.
  void make(std::span<const Node> tree, size_t first_pair) {
    nodes.assign(1, 0);
    depths.assign(1, 0);
    places.assign(tree.size(), 0);
    pairs.clear();
    depth = 0;
    if (!tree[0].is_leaf()) pairs.push_back(0);
    for (size_t next = 0; next < pairs.size();) {
      size_t room = pairs_per_line - (first_pair + nodes.size() / 2) % pairs_per_line;
      const size_t later = pairs.size();
      fill_line(tree, pairs[next++], room);
      // Splits found in this line whose children it took are marked by a place; keep the others.
      const auto taken = [&](uint32_t split) {
        return places[static_cast<size_t>(tree[split].left)] != 0;
      };
      pairs.erase(std::remove_if(pairs.begin() + static_cast<ptrdiff_t>(later), pairs.end(), taken),
                  pairs.end());
    }
  }

  void fill_line(std::span<const Node> tree, uint32_t split, size_t room) {
    size_t found = pairs.size();
    while (true) {
      add_children(tree, split);
      if (--room == 0 || found == pairs.size()) return;
      split = pairs[found++];
    }
  }

  void add_children(std::span<const Node> tree, uint32_t split) {
    const uint32_t below = depths[places[split]] + 1;
    depth = std::max(depth, below);
    for (const int32_t child : {tree[split].left, tree[split].right}) {
      const auto node = static_cast<uint32_t>(child);
      places[node] = static_cast<uint32_t>(nodes.size());
      nodes.push_back(node);
      depths.push_back(below);
      if (!tree[node].is_leaf()) pairs.push_back(node);
    }
  }
};

bool holds_values(const Forest& forest) {
  return forest.settings().leaf_width == 1 && forest.linear_leaves.empty() &&
         forest.settings().reduction == Reduction::kSum;
}

uint64_t value_payload(const Forest& forest, const Node& leaf, bool narrow) {
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
  // At least one bit, so that no shift is as wide as a node.
  const size_t last_column = std::max<size_t>(columns.count() - 1, 1);
  const auto column_bits = static_cast<unsigned>(std::bit_width(last_column)) + kWalkBits;
  if (kNarrow && column_bits >= 32) return std::nullopt;
  layout.column_shift = 64 - column_bits;
  layout.distance_bits = 32 - std::min(column_bits, 31u);
  layout.values_in_leaves =
      holds_values(forest) && (!kNarrow || forest.settings().accumulator == NumberType::kFloat32);
  SharedRows shared;
  if (!layout.values_in_leaves) shared = share_rows(forest);
  const auto payload = [&](const Node& leaf) -> uint64_t {
    if (layout.values_in_leaves) return value_payload(forest, leaf, kNarrow);
    return shared.places.empty() ? leaf.leaf_row() : shared.places[leaf.leaf_row()];
  };
  // Roots have odd places, so that pairs never straddle a line.
  layout.nodes.resize(forest.n_nodes() + forest.n_trees() + 1);
  layout.trees.resize(forest.n_trees());
  Order order(64 / sizeof(Packed) / 2);
  uint32_t root = 1;
  for (size_t t = 0; t < forest.n_trees(); ++t) {
    const std::span<const Node> tree = forest.tree(t);
    order.make(tree, (root + 1) / 2);
    layout.trees[t] = {root, order.depth};
    Packed* packed = layout.nodes.data() + root;
    root += static_cast<uint32_t>(tree.size() + 1);
    for (size_t i = 0; i < tree.size(); ++i) {
      const Node& node = tree[order.nodes[i]];
      const uint32_t distance =
          node.is_leaf() ? 0
                         : order.places[static_cast<size_t>(node.left)] - static_cast<uint32_t>(i);
      const uint32_t column = node.is_leaf() ? 0 : columns.of(node);
      const uint64_t key = node.is_leaf() ? payload(node) : columns.last_left<Key>(node);
      if constexpr (kNarrow) {
        if (distance >> layout.distance_bits) return std::nullopt;
        packed[i].bits =
            uint64_t{column} << (layout.column_shift + kWalkBits) | uint64_t{distance} << 32 | key;
      } else {
        packed[i] = {key, distance, column};
      }
    }
  }
  layout.rows_shared = !shared.places.empty();
  layout.leaf_rows =
      layout.rows_shared ? SharedArray<double>(std::move(shared.values)) : forest.leaf_values;
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
