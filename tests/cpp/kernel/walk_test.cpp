// Kernels that walk give the oracle's scores bit for bit, whatever the forest and however rows lie
// in memory.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "spinney/kernel/forest/registry.h"
#include "spinney/kernel/forest/scalar/reference.h"

namespace spinney::kernel {
namespace {

struct Shape {
  NumberType input = NumberType::kFloat32;
  Comparison comparison = Comparison::kLess;
  NumberType accumulator = NumberType::kFloat32;
  Reduction reduction = Reduction::kSum;
  uint32_t n_features = 7;
  uint32_t n_outputs = 1;
  uint32_t leaf_width = 1;
  size_t n_trees = 21;
  size_t splits_max = 40;
  bool missing_rules = false;
  bool categories = false;
  bool linear = false;
  int distinct_values = 0;  // leaves' values are whole numbers below this; 0: any value
  bool chains = false;      // every split on the last leaf: as deep as can be
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Maker {
 public:
  Maker(const Shape& shape, uint32_t seed) : shape_(shape), random_(seed) {}

  Forest forest() {
    ForestSettings& s = parts_.settings;
    s.input = shape_.input;
    s.comparison = shape_.comparison;
    s.accumulator = shape_.accumulator;
    s.reduction = shape_.reduction;
    s.n_features = shape_.n_features;
    s.n_outputs = shape_.n_outputs;
    s.leaf_width = shape_.leaf_width;
    parts_.base.resize(s.n_outputs);
    for (double& base : parts_.base) base = static_cast<float>(normal());
    if (shape_.categories) add_sets();
    for (size_t t = 0; t < shape_.n_trees; ++t) {
      add_tree();
      parts_.tree_target.push_back(s.leaf_width == 1 ? below(s.n_outputs) : 0);
      if (s.reduction == Reduction::kWeightedMedian) parts_.tree_weights.push_back(1 + below(3));
    }
    auto made = make_forest(std::move(parts_));
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return std::move(made).value();
  }

  // Thresholds, one ulp to each side, and every kind of odd value.
  double value() {
    static constexpr double kOdd[] = {0.0, -0.0, 1.5, -0.9, 3, 40, -1, 1e-40, -1e-40, 1e-36, 1e300};
    double v = normal();
    switch (below(8)) {
      case 0:
        return std::nan("");
      case 1:
        return below(2) ? kInfinity : -kInfinity;
      case 2:
        return kOdd[below(std::size(kOdd))];
      case 3:
      case 4:
        v = thresholds_.empty() ? v : thresholds_[below(thresholds_.size())];
        break;
      default:
        break;
    }
    if (below(2)) {
      const auto f = static_cast<float>(v);
      const int side = static_cast<int>(below(3)) - 1;
      return side == 0 ? f : std::nextafter(f, side < 0 ? -kBig : kBig);
    }
    const int side = static_cast<int>(below(3)) - 1;
    return side == 0 ? v : std::nextafter(v, side < 0 ? -kInfinity : kInfinity);
  }

  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

 private:
  static constexpr float kBig = std::numeric_limits<float>::infinity();

  double normal() { return std::normal_distribution<double>()(random_); }

  double threshold() {
    static constexpr double kOdd[] = {0.0, -0.0, kInfinity, -kInfinity, 1e-45, -1e-45, 1e-310};
    double t = below(12) == 0 ? kOdd[below(std::size(kOdd))] : normal();
    if (below(60) == 0) t = std::nan("");
    if (shape_.input == NumberType::kFloat32) t = static_cast<float>(t);
    thresholds_.push_back(t);
    return t;
  }

  void add_sets() {
    for (int i = 0; i < 5; ++i) {
      CategorySet set;
      set.first_word = static_cast<uint32_t>(parts_.category_words.size());
      set.word_count = static_cast<uint32_t>(below(3));
      set.other_left = static_cast<uint32_t>(below(2));
      set.fraction_below_zero_is_zero = static_cast<uint32_t>(below(2));
      for (uint32_t w = 0; w < set.word_count; ++w)
        parts_.category_words.push_back(static_cast<uint32_t>(random_()));
      parts_.category_sets.push_back(set);
    }
  }

  double leaf_value() {
    if (shape_.distinct_values == 0) return normal();
    // -0.0 is another value than 0.0: a sum of nothing but -0.0 keeps its sign.
    const auto value = static_cast<double>(below(static_cast<size_t>(shape_.distinct_values)));
    return value == 0 && below(2) ? -0.0 : value;
  }

  uint32_t add_leaf_row() {
    const auto row = static_cast<uint32_t>(parts_.leaf_values.size() / shape_.leaf_width);
    for (uint32_t k = 0; k < shape_.leaf_width; ++k) parts_.leaf_values.push_back(leaf_value());
    if (shape_.linear) {
      LinearLeaf leaf;
      leaf.constant = normal();
      leaf.first_term = static_cast<uint32_t>(parts_.term_features.size());
      leaf.term_count = static_cast<uint32_t>(below(3));
      for (uint32_t i = 0; i < leaf.term_count; ++i) {
        parts_.term_features.push_back(static_cast<uint32_t>(below(shape_.n_features)));
        parts_.term_weights.push_back(normal());
      }
      parts_.linear_leaves.push_back(leaf);
    }
    return row;
  }

  void add_tree() {
    std::vector<Node> nodes{Node::leaf(0, 0)};
    const size_t splits = below(shape_.splits_max + 1);
    for (size_t i = 0; i < splits; ++i) {
      size_t at = shape_.chains ? nodes.size() - 1 : below(nodes.size());
      while (!nodes[at].is_leaf()) at = below(nodes.size());
      Node split;
      split.feature = static_cast<uint32_t>(below(shape_.n_features));
      split.left = static_cast<int32_t>(nodes.size());
      split.right = split.left + 1;
      if (below(2)) std::swap(split.left, split.right);
      split.flags = below(2) ? uint8_t{Node::kDefaultLeft} : uint8_t{0};
      if (shape_.missing_rules) split.missing = static_cast<MissingRule>(below(3));
      if (shape_.categories && below(3) == 0) {
        split.flags |= Node::kCategorical;
        split.threshold = static_cast<double>(below(parts_.category_sets.size()));
      } else {
        split.threshold = threshold();
      }
      nodes[at] = split;
      nodes.push_back(Node::leaf(0, 0));
      nodes.push_back(Node::leaf(0, 0));
    }
    for (Node& node : nodes)
      if (node.is_leaf()) node.feature = add_leaf_row();
    parts_.nodes.insert(parts_.nodes.end(), nodes.begin(), nodes.end());
    parts_.tree_begin.push_back(static_cast<uint32_t>(parts_.nodes.size()));
  }

  Shape shape_;
  std::mt19937 random_;
  ForestParts parts_;
  std::vector<double> thresholds_;
};

// Rows as callers may hold them: packed, column by column, or apart and unaligned.
struct Holder {
  std::vector<char> bytes;
  Rows rows;
};

Holder hold(Maker& maker, NumberType type, size_t count, size_t width, int manner) {
  const size_t size = size_of(type);
  Holder h;
  h.bytes.resize((count + 2) * (width + 2) * size * 2 + 16);
  const auto item = static_cast<ptrdiff_t>(size);
  const auto w = static_cast<ptrdiff_t>(width);
  h.rows = {h.bytes.data(), type, count, width, w * item, item};
  if (manner == 1) {
    h.rows.row_stride = item;
    h.rows.column_stride = static_cast<ptrdiff_t>(count) * item;
  } else if (manner == 2) {
    h.rows.data = h.bytes.data() + 3;
    h.rows.row_stride = (w + 1) * item * 2;
    h.rows.column_stride = item * 2;
  }
  for (size_t r = 0; r < count; ++r)
    for (size_t c = 0; c < width; ++c) {
      char* to = h.bytes.data() + (h.rows.row(r) - h.bytes.data()) +
                 static_cast<ptrdiff_t>(c) * h.rows.column_stride;
      const double v = maker.value();
      const auto f = static_cast<float>(v);
      std::memcpy(to, type == NumberType::kFloat32 ? static_cast<const void*>(&f) : &v, size);
    }
  return h;
}

// Scores as raw bytes, so that -0.0 and NaN count as what they are.
std::vector<char> score(const Forest& forest, const ForestEvaluator& evaluator, const Rows& rows) {
  const size_t n = forest.settings().n_outputs;
  const NumberType type = forest.settings().accumulator;
  std::vector<char> bytes(rows.count * n * size_of(type));
  for (size_t i = 0; i < rows.count * n; ++i) {
    const double base = forest.base[i % n];
    const auto f = static_cast<float>(base);
    std::memcpy(bytes.data() + i * size_of(type),
                type == NumberType::kFloat32 ? static_cast<const void*>(&f) : &base, size_of(type));
  }
  evaluator.score(rows, {bytes.data(), n});
  return bytes;
}

void compare(const Shape& shape, uint32_t seeds, std::span<const size_t> counts) {
  for (uint32_t seed = 1; seed <= seeds; ++seed) {
    Maker maker(shape, seed);
    const Forest forest = maker.forest();
    const auto oracle = make_reference(forest);
    SharedTables shared(forest);
    for (const KernelEntry& entry : registry()) {
      if (entry.isa > cpu::usable_isa() || !entry.name.starts_with("walk.")) continue;
      const auto kernel = entry.make(forest, shared);
      ASSERT_TRUE(kernel.ok()) << kernel.error().message;
      for (const size_t count : counts) {
        const NumberType type = maker.below(2) ? NumberType::kFloat32 : NumberType::kFloat64;
        const int manner = static_cast<int>(maker.below(3));
        const Holder h = hold(maker, type, count, shape.n_features, manner);
        ASSERT_EQ(score(forest, **oracle, h.rows), score(forest, **kernel, h.rows))
            << entry.name << ", seed " << seed << ", " << count << " rows, manner " << manner
            << ", type " << static_cast<int>(type);
      }
    }
  }
}

constexpr size_t kCounts[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 64, 65, 130};

TEST(Walk, FloatForests) {
  for (const Comparison c : {Comparison::kLess, Comparison::kLessEqual})
    compare({.comparison = c}, 20, kCounts);
}

TEST(Walk, DoubleForests) {
  for (const Comparison c : {Comparison::kLess, Comparison::kLessEqual})
    compare({.input = NumberType::kFloat64, .comparison = c, .accumulator = NumberType::kFloat64},
            20, kCounts);
}

TEST(Walk, RulesForMissingValuesAndCategories) {
  for (const NumberType input : {NumberType::kFloat32, NumberType::kFloat64})
    compare({.input = input,
             .comparison = Comparison::kLessEqual,
             .missing_rules = true,
             .categories = true},
            20, kCounts);
}

TEST(Walk, LeavesOfSeveralValues) {
  for (const uint32_t width : {2u, 3u})
    for (const NumberType sum : {NumberType::kFloat32, NumberType::kFloat64})
      compare({.accumulator = sum, .n_outputs = width, .leaf_width = width}, 5, kCounts);
}

TEST(Walk, Targets) { compare({.n_outputs = 5, .n_trees = 33}, 5, kCounts); }

TEST(Walk, LinearLeaves) {
  compare({.input = NumberType::kFloat64,
           .comparison = Comparison::kLessEqual,
           .accumulator = NumberType::kFloat64,
           .linear = true},
          5, kCounts);
}

TEST(Walk, WeightedMedian) {
  compare({.accumulator = NumberType::kFloat64, .reduction = Reduction::kWeightedMedian}, 5,
          kCounts);
}

TEST(Walk, OneNodeTreesAndStumps) {
  compare({.splits_max = 0}, 2, kCounts);
  compare({.n_trees = 10, .splits_max = 1}, 5, kCounts);
  compare({.n_trees = 1, .splits_max = 1}, 5, kCounts);
}

TEST(Walk, ChainsOfSplits) { compare({.splits_max = 300, .chains = true}, 3, kCounts); }

TEST(Walk, WideRowsAndLargeTrees) {
  constexpr size_t kFew[] = {1, 3, 8, 40};
  compare({.n_features = 3000, .n_trees = 5, .splits_max = 9000}, 2, kFew);
  // A tree whose nodes do not fit in the narrow layout.
  compare({.n_features = 3000, .n_trees = 1, .splits_max = 400000}, 1, kFew);
}

TEST(Walk, LeavesWithRowsInCommon) {
  for (const NumberType input : {NumberType::kFloat32, NumberType::kFloat64})
    for (const uint32_t width : {1u, 2u, 3u})
      compare({.input = input,
               .accumulator = NumberType::kFloat64,
               .n_outputs = width,
               .leaf_width = width,
               .n_trees = 40,
               .splits_max = 500,
               .distinct_values = 9},
              3, kCounts);
}

TEST(Walk, ManyRows) {
  constexpr size_t kMany[] = {2048, 4099};
  compare({}, 2, kMany);
  // Nodes beyond the core's own caches, for which blocks are larger.
  constexpr size_t kMore[] = {8196, 17003};
  compare({.n_trees = 30, .splits_max = 9000}, 1, kMore);
}

}  // namespace
}  // namespace spinney::kernel
