// Trees over tests `value > border` become the canonical forest's `value <= border goes left`.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "spinney/load/catboost/tables.h"
#include "spinney/load/file/budget.h"

namespace spinney::load::catboost {
namespace {

constexpr int32_t kDepthMax = 24;  // CatBoost's own limit is 16

std::string tree_name(size_t t) { return "tree " + std::to_string(t); }

// Columns that are computed: one for each category that is tested for, and for each count.
uint32_t count_computed(const Tables& tables) {
  size_t count = tables.ctrs.size();
  for (const OneHotFeature& feature : tables.one_hots) count += feature.values.size();
  return static_cast<uint32_t>(count);
}

// Of columns behind the rows' own: 1 where a category is the one tested for, and counts.
Status add_computed_tests(const Tables& tables, uint32_t column, std::vector<Node>& tests) {
  Node node;
  node.flags = Node::kDefaultLeft;
  node.threshold = 0.5;
  for (const OneHotFeature& feature : tables.one_hots)
    for (size_t i = 0; i < feature.values.size(); ++i) {
      node.feature = column++;
      tests.push_back(node);
    }
  for (const CtrFeature& feature : tables.ctrs) {
    node.feature = column++;
    for (const float border : feature.borders) {
      if (std::isnan(border)) return corrupt("a border of a column of counts is NaN");
      node.threshold = static_cast<double>(border);
      tests.push_back(node);
    }
  }
  return {};
}

// Tests by their numbers, as the nodes that they become.
Result<std::vector<Node>> tests_of(const Tables& tables, uint32_t n_inputs) {
  std::vector<Node> tests;
  for (const FloatFeature& feature : tables.floats) {
    float previous = -std::numeric_limits<float>::infinity();
    for (const float border : feature.borders) {
      if (!(border >= previous))
        return corrupt("the borders of column " + std::to_string(feature.column) +
                       " do not ascend");
      previous = border;
      Node node;
      node.threshold = static_cast<double>(border);
      node.feature = static_cast<uint32_t>(feature.column);
      // NaN is compared as an infinity where the training saw one, else it is above no border.
      const bool above = feature.has_nans && feature.nan == NanTreatment::kAsTrue &&
                         border < std::numeric_limits<float>::infinity();
      node.flags = above ? 0 : Node::kDefaultLeft;
      tests.push_back(node);
    }
  }
  SPINNEY_TRY(add_computed_tests(tables, n_inputs, tests));
  return tests;
}

class Grower {
 public:
  Grower(const Tables& tables, std::vector<Node> tests, ForestParts& parts)
      : tables_(tables),
        tests_(std::move(tests)),
        parts_(parts),
        width_(static_cast<size_t>(tables.dimension)) {}

  // All trees are read, so that their places are known; those in the range are kept.
  Status grow(TreeRange range) {
    for (size_t t = 0; t < tables_.sizes.size(); ++t) {
      const int32_t size = tables_.sizes[t];
      if (size < 0 || static_cast<size_t>(size) > tables_.splits.size() - split_)
        return corrupt(tree_name(t) + " has " + std::to_string(size) + " tests where " +
                       std::to_string(tables_.splits.size() - split_) + " are left");
      if (t >= range.first && t < range.behind) {
        SPINNEY_TRY(tables_.steps.empty() ? grow_table(t) : grow_steps(t));
        parts_.tree_begin.push_back(static_cast<uint32_t>(parts_.nodes.size()));
        parts_.tree_target.push_back(0);
      }
      if (tables_.steps.empty()) {
        if (size > kDepthMax)
          return corrupt(tree_name(t) + " is " + std::to_string(size) + " deep");
        leaf_ += width_ << size;
        if (leaf_ > tables_.leaf_values.size())
          return corrupt(tree_name(t) + " has fewer leaf values than leaves");
      }
      split_ += static_cast<size_t>(size);
    }
    if (split_ != tables_.splits.size())
      return corrupt("the model has " + std::to_string(tables_.splits.size()) +
                     " tests, of which its trees use " + std::to_string(split_));
    if (tables_.steps.empty() && leaf_ != tables_.leaf_values.size())
      return corrupt("the trees have " + std::to_string(leaf_) + " leaf values and the model " +
                     std::to_string(tables_.leaf_values.size()));
    return {};
  }

 private:
  Result<Node> test(size_t t, size_t place) const {
    const int32_t number = tables_.splits[place];
    if (number >= 0 && static_cast<size_t>(number) < tests_.size())
      return tests_[static_cast<size_t>(number)];
    return corrupt(tree_name(t) + " has test " + std::to_string(number) + " of " +
                   std::to_string(tests_.size()));
  }

  Status make_room(size_t nodes) {
    SPINNEY_TRY(spend("the trees", nodes, sizeof(Node)));
    if (parts_.nodes.size() + nodes > INT32_MAX)
      return too_large("the model has more than 2,147,483,647 nodes");
    return {};
  }

  // One test a level; bit d of a leaf's number says whether test d holds. Nodes lie level by level,
  // each level by the bits so far, so that the leaves lie in their order.
  Status grow_table(size_t t) {
    const auto depth = static_cast<size_t>(tables_.sizes[t]);
    if (depth > kDepthMax) return corrupt(tree_name(t) + " is " + std::to_string(depth) + " deep");
    const size_t leaves = size_t{1} << depth;
    if (leaf_ > tables_.leaf_values.size() || leaves * width_ > tables_.leaf_values.size() - leaf_)
      return corrupt(tree_name(t) + " of " + std::to_string(depth) +
                     " levels has fewer leaf values than leaves");
    SPINNEY_TRY(make_room(2 * leaves));
    for (size_t d = 0; d < depth; ++d) {
      SPINNEY_ASSIGN(Node node, test(t, split_ + d));
      const size_t below = (size_t{2} << d) - 1;
      for (size_t i = 0; i < size_t{1} << d; ++i) {
        node.left = static_cast<int32_t>(below + i);
        node.right = static_cast<int32_t>(below + i + (size_t{1} << d));
        parts_.nodes.push_back(node);
      }
    }
    const auto row = static_cast<uint32_t>(parts_.leaf_values.size() / width_);
    for (size_t i = 0; i < leaves; ++i)
      parts_.nodes.push_back(Node::leaf(row + static_cast<uint32_t>(i), static_cast<int32_t>(i)));
    const auto first = tables_.leaf_values.begin() + static_cast<ptrdiff_t>(leaf_);
    parts_.leaf_values.insert(parts_.leaf_values.end(), first,
                              first + static_cast<ptrdiff_t>(leaves * width_));
    return {};
  }

  // Leaves are numbered from the first of the tree's.
  Status grow_steps(size_t t) {
    const auto size = static_cast<size_t>(tables_.sizes[t]);
    const Step* const steps = tables_.steps.data() + split_;
    uint32_t first = UINT32_MAX;
    for (size_t i = 0; i < size; ++i)
      if (steps[i].left == 0 || steps[i].right == 0) first = std::min(first, steps[i].leaf);
    SPINNEY_TRY(make_room(2 * size));
    const size_t begin = parts_.nodes.size();
    std::vector<Node> stays;
    for (size_t i = 0; i < size; ++i) {
      const Step& step = steps[i];
      if (step.left == 0 && step.right == 0) {
        SPINNEY_ASSIGN(const Node leaf, leaf_of(t, step, first));
        parts_.nodes.push_back(leaf);
        continue;
      }
      SPINNEY_ASSIGN(Node node, test(t, split_ + i));
      for (const bool right : {false, true}) {
        const uint32_t offset = right ? step.right : step.left;
        int32_t& child = right ? node.right : node.left;
        child = static_cast<int32_t>(offset ? i + offset : size + stays.size());
        if (offset) continue;
        SPINNEY_ASSIGN(const Node leaf, leaf_of(t, step, first));
        stays.push_back(leaf);
      }
      parts_.nodes.push_back(node);
    }
    if (parts_.nodes.size() == begin) return corrupt(tree_name(t) + " has no steps");
    parts_.nodes.insert(parts_.nodes.end(), stays.begin(), stays.end());
    return {};
  }

  Result<Node> leaf_of(size_t t, const Step& step, uint32_t first) {
    const std::vector<double>& values = tables_.leaf_values;
    if (step.leaf > values.size() || width_ > values.size() - step.leaf)
      return corrupt(tree_name(t) + " has a leaf at value " + std::to_string(step.leaf) + " of " +
                     std::to_string(values.size()));
    SPINNEY_TRY(spend("the leaves", width_, sizeof(double)));
    const auto row = static_cast<uint32_t>(parts_.leaf_values.size() / width_);
    const auto from = values.begin() + step.leaf;
    parts_.leaf_values.insert(parts_.leaf_values.end(), from,
                              from + static_cast<ptrdiff_t>(width_));
    return Node::leaf(row, static_cast<int32_t>((step.leaf - first) / width_));
  }

  const Tables& tables_;
  const std::vector<Node> tests_;
  ForestParts& parts_;
  const size_t width_;
  size_t split_ = 0, leaf_ = 0;
};

}  // namespace

// Columns are numbered from 0; those that no feature names count nothing, but must be given.
Result<uint32_t> count_columns(const Tables& tables) {
  int64_t last = -1;
  std::vector<int64_t> columns;
  for (const FloatFeature& feature : tables.floats) columns.push_back(feature.column);
  for (const CategoricalFeature& feature : tables.categories) columns.push_back(feature.column);
  std::sort(columns.begin(), columns.end());
  if (const auto twice = std::adjacent_find(columns.begin(), columns.end()); twice != columns.end())
    return corrupt("the model describes column " + std::to_string(*twice) + " twice");
  if (!columns.empty()) {
    if (columns.front() < 0) return corrupt("a feature of the model belongs to no column");
    last = columns.back();
  }
  if (last >= INT32_MAX) return too_large("the model has more than 2,147,483,647 columns");
  constexpr size_t kColumnBytes = 64;
  SPINNEY_TRY(spend("the model's columns", static_cast<size_t>(last + 1), kColumnBytes));
  return static_cast<uint32_t>(last + 1);
}

Result<Forest> make_trees(const Tables& tables, TreeRange range) {
  if (tables.dimension <= 0 || tables.dimension > (1 << 24))
    return corrupt("the model has " + std::to_string(tables.dimension) + " scores a row");
  if (!tables.steps.empty() && tables.steps.size() != tables.splits.size())
    return corrupt("the model has " + std::to_string(tables.steps.size()) + " steps and " +
                   std::to_string(tables.splits.size()) + " tests");
  ForestParts parts;
  ForestSettings& settings = parts.settings;
  settings.input = NumberType::kFloat32;
  settings.comparison = Comparison::kLessEqual;
  settings.accumulator = NumberType::kFloat64;
  SPINNEY_ASSIGN(const uint32_t n_inputs, count_columns(tables));
  SPINNEY_ASSIGN(std::vector<Node> tests, tests_of(tables, n_inputs));
  settings.n_features = n_inputs + count_computed(tables);
  settings.n_outputs = settings.leaf_width = static_cast<uint32_t>(tables.dimension);
  settings.scale = tables.scale;
  parts.base.assign(settings.n_outputs, 0);
  if (!std::isfinite(tables.scale))
    return corrupt("the model multiplies its sums by " + std::to_string(tables.scale));
  for (const double bias : tables.bias)
    if (!std::isfinite(bias)) return corrupt("the model adds " + std::to_string(bias));
  if (!tables.bias.empty() && tables.bias.size() != settings.n_outputs)
    return corrupt("the model adds " + std::to_string(tables.bias.size()) + " numbers to " +
                   std::to_string(settings.n_outputs) + " scores");
  const bool adds =
      std::any_of(tables.bias.begin(), tables.bias.end(), [](double bias) { return bias != 0; });
  if (adds && range.first == 0) parts.shift = tables.bias;
  Grower grower(tables, std::move(tests), parts);
  SPINNEY_TRY(grower.grow(range));
  return make_forest(std::move(parts));
}

}  // namespace spinney::load::catboost
