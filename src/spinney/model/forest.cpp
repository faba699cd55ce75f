#include "spinney/model/forest.h"

#include <algorithm>
#include <cmath>

namespace spinney {
namespace {

std::string at(size_t tree, size_t node) {
  return "tree " + std::to_string(tree) + ", node " + std::to_string(node);
}

bool held_exactly(double threshold, NumberType type) {
  if (type == NumberType::kFloat64 || std::isnan(threshold)) return true;
  return static_cast<double>(static_cast<float>(threshold)) == threshold;
}

bool category_goes_left(const Forest& forest, const CategorySet& set, double value) {
  if (value < 0 && !(set.fraction_below_zero_is_zero && value > -1)) return set.other_left;
  const double truncated = value < 0 ? 0 : value;
  const double limit = 32.0 * set.word_count;
  if (!(truncated < limit)) return set.other_left;
  const auto category = static_cast<uint64_t>(truncated);
  return forest.category_words[set.first_word + category / 32] >> (category % 32) & 1;
}

}  // namespace

bool Forest::goes_left(const Node& node, double value) const {
  if (node.is_categorical()) {
    if (std::isnan(value)) return node.default_left();
    return category_goes_left(*this, category_sets[node.category_set()], value);
  }
  switch (node.missing) {
    case MissingRule::kNan:
      if (std::isnan(value)) return node.default_left();
      break;
    case MissingRule::kNanIsZero:
      if (std::isnan(value)) value = 0;
      break;
    case MissingRule::kZeroOrNan:
      if (std::isnan(value) || std::fabs(value) <= kZeroThreshold) return node.default_left();
      break;
  }
  return settings_.comparison == Comparison::kLess ? value < node.threshold
                                                   : value <= node.threshold;
}

uint32_t Forest::find_leaf(size_t t, const Rows& rows, size_t r) const {
  const std::span<const Node> nodes_of_tree = tree(t);
  uint32_t at = 0;
  while (!nodes_of_tree[at].is_leaf()) {
    const Node& node = nodes_of_tree[at];
    double value = rows.at(r, node.feature);
    if (settings_.input == NumberType::kFloat32) value = static_cast<float>(value);
    at = static_cast<uint32_t>(goes_left(node, value) ? node.left : node.right);
  }
  return at;
}

size_t Forest::bytes() const {
  return tree_begin.bytes() + tree_target.bytes() + nodes.bytes() + leaf_values.bytes() +
         matrix_leaf_values.bytes() + base.bytes() + shift.bytes() + tree_weights.bytes() +
         category_sets.bytes() + category_words.bytes() + linear_leaves.bytes() +
         term_features.bytes() + term_weights.bytes();
}

namespace {

Status check_tree(const Forest& forest, size_t t, std::vector<uint8_t>& reached) {
  const ForestSettings& s = forest.settings();
  const std::span<const Node> nodes = forest.tree(t);
  if (nodes.empty()) return corrupt("tree " + std::to_string(t) + " has no nodes");
  reached.assign(nodes.size(), 0);
  reached[0] = 1;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (node.is_leaf()) {
      if (node.leaf_row() >= forest.n_leaf_rows())
        return corrupt(at(t, i) + ": leaf value " + std::to_string(node.leaf_row()) +
                       " is beyond the " + std::to_string(forest.n_leaf_rows()) + " stored");
      continue;
    }
    for (const int32_t child : {node.left, node.right}) {
      if (child <= 0 || static_cast<size_t>(child) >= nodes.size())
        return corrupt(at(t, i) + ": child " + std::to_string(child) + " is outside 1 to " +
                       std::to_string(nodes.size() - 1));
      if (reached[static_cast<size_t>(child)]++)
        return corrupt(at(t, static_cast<size_t>(child)) + " has two parents");
    }
    if (node.feature >= s.n_features)
      return corrupt(at(t, i) + ": feature " + std::to_string(node.feature) + " is beyond the " +
                     std::to_string(s.n_features) + " features of the model");
    if (node.missing > MissingRule::kZeroOrNan)
      return corrupt(at(t, i) + ": unknown rule for missing values");
    if (node.is_categorical()) {
      if (!(node.threshold >= 0 &&
            node.threshold < static_cast<double>(forest.category_sets.size())))
        return corrupt(at(t, i) + ": its category set does not exist");
    } else if (!held_exactly(node.threshold, s.input)) {
      return corrupt(at(t, i) + ": threshold " + std::to_string(node.threshold) +
                     " is not a float32 value");
    }
  }
  // Every node but the root has exactly one parent; with the root unreachable as a child, a node
  // that no path from the root reaches would have to lie on a cycle. Walk to rule that out.
  std::vector<uint32_t> stack{0};
  size_t seen = 0;
  while (!stack.empty()) {
    const uint32_t i = stack.back();
    stack.pop_back();
    ++seen;
    if (nodes[i].is_leaf()) continue;
    stack.push_back(static_cast<uint32_t>(nodes[i].left));
    stack.push_back(static_cast<uint32_t>(nodes[i].right));
  }
  if (seen != nodes.size())
    return corrupt("tree " + std::to_string(t) + ": " + std::to_string(nodes.size() - seen) +
                   " of its " + std::to_string(nodes.size()) +
                   " nodes cannot be reached from the root");
  return {};
}

Status check_reduction(const Forest& forest) {
  const ForestSettings& s = forest.settings();
  if (s.reduction > Reduction::kWeightedMedian)
    return corrupt("the forest combines its trees in an unknown way");
  if (s.reduction == Reduction::kSum) {
    if (forest.tree_weights.empty()) return {};
    return corrupt("the forest is a sum of its trees and holds weights for a median besides");
  }
  if (forest.n_trees() == 0)
    return corrupt("the forest is a weighted median of no trees, which has no value");
  if (forest.tree_weights.size() != forest.n_trees())
    return corrupt(std::to_string(forest.tree_weights.size()) + " tree weights for " +
                   std::to_string(forest.n_trees()) + " trees");
  if (s.accumulator != NumberType::kFloat64 || s.n_outputs != 1)
    return corrupt("a weighted median is one float64 score, not " + std::to_string(s.n_outputs) +
                   " scores or float32");
  return {};
}

}  // namespace

Status Forest::validate() const {
  const ForestSettings& s = settings_;
  if (s.n_outputs == 0) return corrupt("the forest has no outputs");
  if (s.input > NumberType::kFloat64 || s.accumulator > NumberType::kFloat64 ||
      s.comparison > Comparison::kLessEqual)
    return corrupt("the forest compares or adds in an unknown type or way");
  if (s.leaf_width != 1 && s.leaf_width != s.n_outputs)
    return corrupt("leaves hold " + std::to_string(s.leaf_width) + " values for " +
                   std::to_string(s.n_outputs) + " outputs");
  if (tree_begin.size() != tree_target.size() + 1 || tree_begin[0] != 0 ||
      tree_begin.back() != nodes.size())
    return corrupt("the trees' offsets do not cover the " + std::to_string(nodes.size()) +
                   " nodes");
  if (base.size() != s.n_outputs)
    return corrupt(std::to_string(base.size()) + " base scores for " + std::to_string(s.n_outputs) +
                   " outputs");
  if (!shift.empty() && shift.size() != s.n_outputs)
    return corrupt(std::to_string(shift.size()) + " numbers are added to " +
                   std::to_string(s.n_outputs) + " outputs");
  if (!std::isfinite(s.scale))
    return corrupt("the sums are multiplied by " + std::to_string(s.scale));
  if (leaf_values.size() % s.leaf_width != 0)
    return corrupt("leaf values are not whole rows of " + std::to_string(s.leaf_width));
  if (!matrix_leaf_values.empty() && matrix_leaf_values.size() != leaf_values.size())
    return corrupt(std::to_string(matrix_leaf_values.size()) + " leaf values for a DMatrix and " +
                   std::to_string(leaf_values.size()) + " others");
  if (!linear_leaves.empty() && linear_leaves.size() != n_leaf_rows())
    return corrupt("linear leaves do not match the leaf values");
  if (term_features.size() != term_weights.size())
    return corrupt("linear leaves' features and coefficients differ in number");
  SPINNEY_TRY(check_reduction(*this));
  for (const LinearLeaf& leaf : linear_leaves)
    if (leaf.first_term > term_features.size() ||
        leaf.term_count > term_features.size() - leaf.first_term)
      return corrupt("a linear leaf's terms lie outside those stored");
  for (const uint32_t feature : term_features)
    if (feature >= s.n_features)
      return corrupt("a linear leaf reads feature " + std::to_string(feature) + " of " +
                     std::to_string(s.n_features));
  for (const CategorySet& set : category_sets)
    if (set.first_word > category_words.size() ||
        set.word_count > category_words.size() - set.first_word)
      return corrupt("a category set lies outside the words stored");
  if (s.leaf_width > 1) {
    // Kernels lay out a row for every leaf; wide rows that leaves share would multiply.
    const auto n_leaves = static_cast<size_t>(
        std::count_if(nodes.begin(), nodes.end(), [](const Node& node) { return node.is_leaf(); }));
    if (n_leaves > n_leaf_rows())
      return corrupt(std::to_string(n_leaves) + " leaves share " + std::to_string(n_leaf_rows()) +
                     " rows of " + std::to_string(s.leaf_width) + " values");
  }
  std::vector<uint8_t> reached;
  for (size_t t = 0; t < n_trees(); ++t) {
    if (tree_begin[t] > tree_begin[t + 1] || tree_begin[t + 1] > nodes.size())
      return corrupt("tree " + std::to_string(t) + " has a negative number of nodes");
    if (tree_target[t] >= s.n_outputs)
      return corrupt("tree " + std::to_string(t) + " adds to output " +
                     std::to_string(tree_target[t]) + " of " + std::to_string(s.n_outputs));
    SPINNEY_TRY(check_tree(*this, t, reached));
  }
  return {};
}

Result<Forest> make_forest(ForestParts parts) {
  if (parts.nodes.size() > UINT32_MAX || parts.leaf_values.size() > UINT32_MAX)
    return too_large("the forest has more than 4,294,967,295 nodes or leaf values");
  Forest arrays;
  arrays.tree_begin = std::move(parts.tree_begin);
  arrays.tree_target = std::move(parts.tree_target);
  arrays.nodes = std::move(parts.nodes);
  arrays.leaf_values = std::move(parts.leaf_values);
  arrays.matrix_leaf_values = std::move(parts.matrix_leaf_values);
  arrays.base = std::move(parts.base);
  arrays.shift = std::move(parts.shift);
  arrays.tree_weights = std::move(parts.tree_weights);
  arrays.category_sets = std::move(parts.category_sets);
  arrays.category_words = std::move(parts.category_words);
  arrays.linear_leaves = std::move(parts.linear_leaves);
  arrays.term_features = std::move(parts.term_features);
  arrays.term_weights = std::move(parts.term_weights);
  return adopt_forest(parts.settings, std::move(arrays));
}

Result<Forest> adopt_forest(ForestSettings settings, Forest arrays) {
  arrays.settings_ = settings;
  if (arrays.tree_begin.empty()) return corrupt("the forest has no tree offsets");
  arrays.checked_ = false;
  SPINNEY_TRY(arrays.validate());
  arrays.checked_ = true;
  return arrays;
}

}  // namespace spinney
