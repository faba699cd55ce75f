// Random forests and rows that together reach every rule of the canonical form. A seed makes the
// same forest everywhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "spinney/model/forest.h"

namespace spinney::testing {

enum class Growth { kRandom, kBalanced, kChain, kLevels };
enum class Missing { kNanOnly, kAllRules };

struct ForestShape {
  std::string name;
  NumberType input = NumberType::kFloat32;
  Comparison comparison = Comparison::kLess;
  NumberType accumulator = NumberType::kFloat32;
  uint32_t n_features = 8;
  uint32_t n_outputs = 1;
  bool vector_leaves = false;
  size_t n_trees = 20;
  size_t leaves_min = 1;
  size_t leaves_max = 32;
  Growth growth = Growth::kRandom;
  Missing missing = Missing::kNanOnly;
  // Thresholds come from this many distinct values a feature; 0: every one is new.
  size_t distinct_thresholds = 0;
  double strange_thresholds = 0.05;  // share that are ±0, ±inf, tiny or huge
  bool nan_thresholds = false;       // and NaN
  double categorical = 0;            // share of splits
  uint32_t category_words_max = 4;
  bool shared_sets = false;  // features may share category sets
  double linear = 0;         // share of leaves with terms
  bool median = false;
  bool shuffled = false;  // nodes in any order after the root
};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  size_t below(size_t n) { return static_cast<size_t>(engine_() % n); }
  bool chance(double share) { return unit() < share; }
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  double normal() { return std::normal_distribution<double>()(engine_); }
  template <typename T>
  T pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
  uint32_t word() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937_64 engine_;
};

inline double rounded(double value, NumberType type) {
  return type == NumberType::kFloat32 ? static_cast<double>(static_cast<float>(value)) : value;
}

// The neighbours of value in the given type.
inline double next_after(double value, double towards, NumberType type) {
  if (type == NumberType::kFloat64) return std::nextafter(value, towards);
  return static_cast<double>(
      std::nextafter(static_cast<float>(value), static_cast<float>(towards)));
}

inline std::vector<double> strange_values(NumberType type) {
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> values = {
      std::nan(""), infinity, -infinity, 0.0,      -0.0,     1e-36, -1e-36, 1e-40,
      -1e-40,       1e-45,    1e300,     -1e300,   3e38,     -3e38, 0.5,    -0.5,
      -0.999999,    -1,       1,         16777216, 16777217, 4.3e9, -4.3e9, 1.8e19};
  if (type == NumberType::kFloat64) values.insert(values.end(), {5e-324, -5e-324, 2e-308, 0.1});
  for (const double edge : {kZeroThreshold, -kZeroThreshold}) {
    values.push_back(edge);
    values.push_back(next_after(edge, infinity, type));
    values.push_back(next_after(edge, -infinity, type));
  }
  return values;
}

class ForestMaker {
 public:
  ForestMaker(const ForestShape& shape, uint64_t seed) : shape_(shape), random_(seed) {}

  Forest make() {
    ForestSettings& s = parts_.settings;
    s.input = shape_.input;
    s.comparison = shape_.comparison;
    s.accumulator = shape_.accumulator;
    s.reduction = shape_.median ? Reduction::kWeightedMedian : Reduction::kSum;
    s.n_features = shape_.n_features;
    s.n_outputs = shape_.n_outputs;
    s.leaf_width = shape_.vector_leaves ? shape_.n_outputs : 1;
    pools_.resize(shape_.n_features);
    sets_.resize(shape_.n_features);
    for (size_t t = 0; t < shape_.n_trees; ++t) add_tree();
    for (uint32_t k = 0; k < s.n_outputs; ++k) parts_.base.push_back(leaf_number());
    if (shape_.linear == 0) parts_.linear_leaves.clear();
    auto forest = make_forest(std::move(parts_));
    if (!forest.ok()) std::abort();  // the maker itself is at fault
    return std::move(forest).value();
  }

 private:
  void add_tree() {
    std::vector<Node> nodes(1);
    std::vector<uint32_t> open{0};  // leaves that may still be split
    size_t leaves = shape_.leaves_min + random_.below(shape_.leaves_max - shape_.leaves_min + 1);
    if (shape_.growth == Growth::kLevels) {  // as many levels as hold so many leaves
      for (; open.size() < leaves;) open = split_level(nodes, open);
      leaves = 1;
    }
    for (size_t n = 1; n < leaves; ++n) {
      const size_t chosen = shape_.growth == Growth::kBalanced ? 0
                            : shape_.growth == Growth::kChain  ? open.size() - 1
                                                               : random_.below(open.size());
      const uint32_t at = open[chosen];
      open.erase(open.begin() + static_cast<ptrdiff_t>(chosen));
      const auto first = static_cast<int32_t>(nodes.size());
      nodes[at] = split();
      nodes[at].left = first;
      nodes[at].right = first + 1;
      if (random_.chance(0.5)) std::swap(nodes[at].left, nodes[at].right);
      nodes.resize(nodes.size() + 2);
      open.push_back(static_cast<uint32_t>(first));
      open.push_back(static_cast<uint32_t>(first + 1));
    }
    for (size_t i = 0; i < open.size(); ++i) nodes[open[i]] = leaf(static_cast<int32_t>(i));
    if (shape_.shuffled) shuffle(nodes);
    parts_.nodes.insert(parts_.nodes.end(), nodes.begin(), nodes.end());
    parts_.tree_begin.push_back(static_cast<uint32_t>(parts_.nodes.size()));
    parts_.tree_target.push_back(
        shape_.vector_leaves ? 0 : static_cast<uint32_t>(random_.below(shape_.n_outputs)));
    if (shape_.median) parts_.tree_weights.push_back(random_.unit());
  }

  // Splits all of them by one test; gives their children, from left to right.
  std::vector<uint32_t> split_level(std::vector<Node>& nodes, const std::vector<uint32_t>& open) {
    const Node test = split();
    std::vector<uint32_t> below;
    for (const uint32_t at : open) {
      const auto first = static_cast<uint32_t>(nodes.size());
      nodes[at] = test;
      nodes[at].left = static_cast<int32_t>(first);
      nodes[at].right = static_cast<int32_t>(first + 1);
      nodes.resize(nodes.size() + 2);
      below.push_back(first);
      below.push_back(first + 1);
    }
    return below;
  }

  void shuffle(std::vector<Node>& nodes) {
    std::vector<int32_t> place(nodes.size());
    for (size_t i = 0; i < place.size(); ++i) place[i] = static_cast<int32_t>(i);
    for (size_t i = place.size() - 1; i > 1; --i) std::swap(place[i], place[1 + random_.below(i)]);
    std::vector<Node> moved(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      Node node = nodes[i];
      if (!node.is_leaf()) {
        node.left = place[static_cast<size_t>(node.left)];
        node.right = place[static_cast<size_t>(node.right)];
      }
      moved[static_cast<size_t>(place[i])] = node;
    }
    nodes = moved;
  }

  Node split() {
    Node node;
    node.feature = static_cast<uint32_t>(random_.below(shape_.n_features));
    if (random_.chance(0.5)) node.flags = Node::kDefaultLeft;
    if (random_.chance(shape_.categorical)) {
      node.flags |= Node::kCategorical;
      node.threshold = category_set(node.feature);
      return node;
    }
    if (shape_.missing == Missing::kAllRules)
      node.missing = static_cast<MissingRule>(random_.below(3));
    node.threshold = threshold(node.feature);
    return node;
  }

  double threshold(uint32_t feature) {
    std::vector<double>& pool = pools_[feature];
    if (shape_.distinct_thresholds && pool.size() >= shape_.distinct_thresholds)
      return random_.pick(pool);
    double value = random_.normal();
    if (random_.chance(shape_.strange_thresholds)) {
      value = random_.pick(strange_values(shape_.input));
      if (std::isnan(value) && !shape_.nan_thresholds) value = 0.25;
    }
    if (random_.chance(0.1)) value = std::floor(4 * value);
    pool.push_back(rounded(value, shape_.input));
    return pool.back();
  }

  double category_set(uint32_t feature) {
    std::vector<double>& sets = sets_[shape_.shared_sets ? 0 : feature];
    if (!sets.empty() && random_.chance(0.2)) return random_.pick(sets);
    CategorySet set;
    set.first_word = static_cast<uint32_t>(parts_.category_words.size());
    set.word_count = static_cast<uint32_t>(random_.below(shape_.category_words_max + 1));
    set.other_left = random_.chance(0.5);
    set.fraction_below_zero_is_zero = random_.chance(0.5);
    for (uint32_t i = 0; i < set.word_count; ++i) parts_.category_words.push_back(random_.word());
    parts_.category_sets.push_back(set);
    sets.push_back(static_cast<double>(parts_.category_sets.size() - 1));
    return sets.back();
  }

  double leaf_number() {
    const double value = random_.chance(0.02) ? -0.0 : random_.normal();
    return rounded(value, shape_.accumulator);
  }

  Node leaf(int32_t number) {
    const uint32_t width = parts_.settings.leaf_width;
    const auto row = static_cast<uint32_t>(parts_.leaf_values.size() / width);
    for (uint32_t k = 0; k < width; ++k) parts_.leaf_values.push_back(leaf_number());
    LinearLeaf linear;
    linear.constant = parts_.leaf_values[size_t{row} * width];
    linear.first_term = static_cast<uint32_t>(parts_.term_features.size());
    if (random_.chance(shape_.linear)) linear.term_count = static_cast<uint32_t>(random_.below(4));
    for (uint32_t i = 0; i < linear.term_count; ++i) {
      parts_.term_features.push_back(static_cast<uint32_t>(random_.below(shape_.n_features)));
      parts_.term_weights.push_back(random_.normal());
    }
    parts_.linear_leaves.push_back(linear);
    return Node::leaf(row, number);
  }

  const ForestShape& shape_;
  Random random_;
  ForestParts parts_;
  std::vector<std::vector<double>> pools_;  // a feature's thresholds so far
  std::vector<std::vector<double>> sets_;   // a feature's category sets so far
};

// Values that decide: each feature's thresholds and their neighbours, strange values, categories.
template <typename Real>
std::vector<Real> decisive_rows(const Forest& forest, size_t count, uint64_t seed) {
  Random random(seed);
  const ForestSettings& s = forest.settings();
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> thresholds(s.n_features);
  for (const Node& node : forest.nodes)
    if (!node.is_leaf() && !node.is_categorical())
      thresholds[node.feature].push_back(node.threshold);
  const std::vector<double> strange = strange_values(NumberType::kFloat64);
  std::vector<Real> rows(count * s.n_features);
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<double>& own = thresholds[i % s.n_features];
    const size_t kind = random.below(16);
    double value = random.normal();
    if (kind < 6 && !own.empty()) {
      value = random.pick(own);
      // The neighbour in the wider type must be rounded like the library rounds it.
      const NumberType step = kind < 4 ? s.input : NumberType::kFloat64;
      if (kind % 3 == 1) value = next_after(value, infinity, step);
      if (kind % 3 == 2) value = next_after(value, -infinity, step);
    } else if (kind < 8) {
      value = random.pick(strange);
    } else if (kind < 10) {
      value = static_cast<double>(random.below(200)) / 2 - 5;
    } else if (kind < 11) {
      value = std::nan("");
    }
    rows[i] = static_cast<Real>(value);
  }
  return rows;
}

}  // namespace spinney::testing
