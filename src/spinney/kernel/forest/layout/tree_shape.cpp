#include "spinney/kernel/forest/layout/tree_shape.h"

#include <algorithm>
#include <numeric>

namespace spinney::kernel {

TreeShape shape_of(std::span<const Node> tree) {
  TreeShape shape;
  std::vector<std::pair<uint32_t, uint32_t>> stack{{0, 0}};
  while (!stack.empty()) {
    const auto [at, depth] = stack.back();
    stack.pop_back();
    const Node& node = tree[at];
    if (node.is_leaf()) {
      ++shape.leaves;
      shape.depth = std::max(shape.depth, depth);
      continue;
    }
    stack.emplace_back(static_cast<uint32_t>(node.left), depth + 1);
    stack.emplace_back(static_cast<uint32_t>(node.right), depth + 1);
  }
  return shape;
}

namespace {

bool same_test(const Node& a, const Node& b) {
  return a.feature == b.feature && a.threshold == b.threshold && a.missing == b.missing &&
         a.flags == b.flags;
}

}  // namespace

std::vector<const Node*> level_tests(std::span<const Node> tree, size_t depth_max) {
  std::vector<const Node*> tests;
  std::vector<uint32_t> level{0}, below;
  while (!tree[level[0]].is_leaf()) {
    if (tests.size() == depth_max) return {};
    tests.push_back(&tree[level[0]]);
    below.clear();
    for (const uint32_t at : level) {
      const Node& node = tree[at];
      if (node.is_leaf() || !same_test(node, *tests.back())) return {};
      below.push_back(static_cast<uint32_t>(node.left));
      below.push_back(static_cast<uint32_t>(node.right));
    }
    level.swap(below);
  }
  for (const uint32_t at : level)
    if (!tree[at].is_leaf()) return {};
  return tests;
}

std::vector<uint32_t> trees_by_output(const Forest& forest) {
  std::vector<uint32_t> order(forest.n_trees());
  std::iota(order.begin(), order.end(), 0u);
  if (forest.settings().leaf_width == 1)
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return forest.tree_target[a] < forest.tree_target[b];
    });
  return order;
}

Status check_padding(const Forest& forest) {
  constexpr double kFreeBytes = 64e6, kTimes = 8;
  const ForestSettings& s = forest.settings();
  if (s.leaf_width == 1) return {};
  const double padded = 64.0 * static_cast<double>(forest.n_trees()) * s.leaf_width *
                        static_cast<double>(size_of(s.accumulator));
  if (padded <= std::max(kFreeBytes, kTimes * static_cast<double>(forest.leaf_values.bytes())))
    return {};
  return unsupported("its trees have too few leaves for the " + std::to_string(s.leaf_width) +
                     " values of each, of which room for 64 a tree would be taken");
}

}  // namespace spinney::kernel
