// Every registered kernel gives the reference's scores bit for bit, on forests and rows that reach
// every rule of the canonical form, at every number of rows that a block can hold.
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>

#include "random_forest.h"
#include "spinney/cpu/features.h"
#include "spinney/kernel/forest/registry.h"
#include "spinney/kernel/forest/scalar/reference.h"

namespace spinney::testing {
namespace {

constexpr auto kF32 = NumberType::kFloat32;
constexpr auto kF64 = NumberType::kFloat64;
constexpr auto kLe = Comparison::kLessEqual;
constexpr auto kAll = Missing::kAllRules;

// Shapes that say much about themselves.
std::vector<ForestShape> rich_shapes() {
  using S = ForestShape;
  S chain{.name = "chain", .n_trees = 3, .leaves_min = 300, .leaves_max = 400};
  chain.growth = Growth::kChain;
  S perfect{.name = "perfect_depth6", .n_features = 28, .n_trees = 50, .leaves_min = 64};
  perfect.leaves_max = 64;
  perfect.growth = Growth::kBalanced;
  perfect.distinct_thresholds = 250;
  S tables{.name = "tables", .input = kF32, .comparison = kLe, .accumulator = kF64};
  tables.n_features = 28;
  tables.n_trees = 200;
  tables.leaves_max = 64;
  tables.growth = Growth::kLevels;
  tables.distinct_thresholds = 250;
  S deep_tables = tables;
  deep_tables.name = "tables_of_8_levels";
  deep_tables.n_trees = 70;
  deep_tables.leaves_min = deep_tables.leaves_max = 256;
  deep_tables.shuffled = true;
  S deepest_tables = deep_tables;
  deepest_tables.name = "tables_of_9_levels";
  deepest_tables.n_trees = 10;
  deepest_tables.leaves_min = deepest_tables.leaves_max = 512;
  S vector_tables = tables;
  vector_tables.name = "tables_of_vectors";
  vector_tables.n_outputs = 3;
  vector_tables.vector_leaves = true;
  vector_tables.n_trees = 100;
  S mixed_tables = tables;
  mixed_tables.name = "tables_in_float32_with_categories";
  mixed_tables.accumulator = kF32;
  mixed_tables.categorical = 0.3;
  mixed_tables.missing = kAll;
  mixed_tables.n_outputs = 2;
  S lightgbm{.name = "lightgbm", .input = kF64, .comparison = kLe, .accumulator = kF64};
  lightgbm.leaves_max = 63;
  lightgbm.missing = kAll;
  lightgbm.categorical = 0.2;
  lightgbm.distinct_thresholds = 250;
  S linear = lightgbm;
  linear.name = "linear_leaves";
  linear.linear = 0.5;
  S sklearn{.name = "vector_leaves", .comparison = kLe, .accumulator = kF64, .n_outputs = 5};
  sklearn.vector_leaves = true;
  sklearn.leaves_max = 100;
  S median{.name = "weighted_median", .comparison = kLe, .accumulator = kF64, .n_trees = 25};
  median.median = true;
  S categories{.name = "categories", .n_trees = 30, .categorical = 0.7};
  categories.category_words_max = 300;
  S strange{.name = "strange_thresholds", .n_features = 3, .missing = kAll};
  strange.strange_thresholds = 0.8;
  S strange64 = strange;
  strange64.name = "strange_thresholds_f64";
  strange64.input = kF64;
  strange64.comparison = kLe;
  S nan_thresholds = strange;
  nan_thresholds.name = "nan_thresholds";
  nan_thresholds.nan_thresholds = true;
  S shared = categories;
  shared.name = "shared_category_sets";
  shared.shared_sets = true;
  S bins300{.name = "300_thresholds_a_feature", .n_features = 2, .n_trees = 60};
  bins300.distinct_thresholds = 300;
  S bins66000{.name = "66000_thresholds_a_feature", .n_features = 1, .n_trees = 90};
  bins66000.leaves_min = bins66000.leaves_max = 1000;
  S bins66000f64 = bins66000;
  bins66000f64.name = "66000_thresholds_a_feature_f64";
  bins66000f64.input = kF64;
  bins66000f64.comparison = kLe;
  bins66000f64.accumulator = kF64;
  bins66000f64.missing = kAll;
  return {tables,  deep_tables, deepest_tables, vector_tables, mixed_tables,
          perfect, chain,       lightgbm,       linear,        sklearn,
          median,  categories,  strange,        strange64,     nan_thresholds,
          shared,  bins300,     bins66000,      bins66000f64};
}

std::vector<ForestShape> shapes() {
  std::vector<ForestShape> all = rich_shapes();
  all.insert(
      all.end(),
      {
          {.name = "20000_leaves",
           .n_features = 40,
           .n_trees = 2,
           .leaves_min = 20000,
           .leaves_max = 20000},
          {.name = "300_features", .n_features = 300, .n_trees = 40, .missing = kAll},
          {.name = "2000_features", .n_features = 2000, .n_trees = 100, .leaves_max = 64},
          {.name = "129_features", .n_features = 129, .n_trees = 60, .leaves_max = 64},
          {.name = "70000_thresholds_in_small_trees",
           .n_features = 1,
           .n_trees = 1200,
           .leaves_min = 64,
           .leaves_max = 64},
          {.name = "chain_of_200",
           .n_trees = 5,
           .leaves_min = 150,
           .leaves_max = 200,
           .growth = Growth::kChain},
          {.name = "no_trees", .n_outputs = 3, .n_trees = 0},
          {.name = "one_node_trees", .n_trees = 9, .leaves_max = 1},
          {.name = "stumps", .n_features = 1, .n_trees = 10, .leaves_min = 2, .leaves_max = 2},
          {.name = "seven_outputs", .n_outputs = 7, .n_trees = 70, .distinct_thresholds = 100},
          {.name = "thousand_outputs", .n_outputs = 1000, .n_trees = 300, .leaves_max = 8},
          {.name = "f32_less_equal_f64_sum",
           .comparison = kLe,
           .accumulator = kF64,
           .missing = kAll},
          {.name = "f64_less_f32_sum", .input = kF64, .missing = kAll, .shuffled = true},
          {.name = "shuffled",
           .n_trees = 30,
           .leaves_max = 64,
           .categorical = 0.1,
           .shuffled = true},
          {.name = "65_leaves", .n_trees = 30, .leaves_min = 65, .leaves_max = 65},
          {.name = "256_leaves",
           .input = kF64,
           .comparison = kLe,
           .accumulator = kF64,
           .n_trees = 30,
           .leaves_min = 250,
           .leaves_max = 256,
           .distinct_thresholds = 254},
      });
  return all;
}

// A kernel's scores with untouched space after each row, which must stay so.
template <typename Real>
std::vector<Real> scored(const kernel::ForestEvaluator& evaluator, const Forest& forest,
                         const Rows& rows) {
  constexpr Real kUntouched = -12345.5;
  const size_t n = forest.settings().n_outputs;
  const size_t stride = n + 3;
  std::vector<Real> padded(rows.count * stride, kUntouched);
  for (size_t r = 0; r < rows.count; ++r)
    for (size_t k = 0; k < n; ++k) padded[r * stride + k] = static_cast<Real>(forest.base[k]);
  evaluator.score(rows, {padded.data(), stride});
  std::vector<Real> scores;
  for (size_t r = 0; r < rows.count; ++r) {
    scores.insert(scores.end(), &padded[r * stride], &padded[r * stride + n]);
    for (size_t k = n; k < stride; ++k) EXPECT_EQ(padded[r * stride + k], kUntouched);
  }
  return scores;
}

template <typename Real>
bool same(Real a, Real b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::memcmp(&a, &b, sizeof a) == 0;
}

template <typename Real>
::testing::AssertionResult equal(const std::vector<Real>& expected, size_t offset,
                                 const std::vector<Real>& got, size_t n_outputs) {
  for (size_t i = 0; i < got.size(); ++i)
    if (!same(expected[offset + i], got[i]))
      return ::testing::AssertionFailure()
             << "row " << i / n_outputs << " of " << got.size() / n_outputs << ", output "
             << i % n_outputs << ": expected " << std::hexfloat << expected[offset + i] << ", got "
             << got[i];
  return ::testing::AssertionSuccess();
}

using Kernels = std::vector<std::unique_ptr<kernel::ForestEvaluator>>;

class Differential : public ::testing::TestWithParam<ForestShape> {
 protected:
  template <typename Score, typename Input>
  void compare(const Kernels& kernels, const Forest& forest, uint64_t seed) {
    const size_t width = forest.settings().n_features;
    const size_t n = forest.settings().n_outputs;
    const bool small = width * forest.n_nodes() < 1'000'000 && n < 100;
    const size_t count = small ? 1029 : 200;
    const std::vector<Input> values = decisive_rows<Input>(forest, count, seed);
    const Rows rows = dense_rows(values.data(), count, width);
    const auto reference = std::move(kernel::make_reference(forest)).value();
    const std::vector<Score> expected = scored<Score>(*reference, forest, rows);
    for (const auto& evaluator : kernels) {
      SCOPED_TRACE(std::string(evaluator->name()) + ", seed " + std::to_string(seed));
      for (const size_t size : {count, size_t{150}})
        ASSERT_TRUE(equal(expected, 0, scored<Score>(*evaluator, forest, rows.slice(0, size)), n));
      for (size_t size = 1; size <= 130; size += small && seed == 1 ? 1 : 7) {
        const size_t first = (size * 31) % (count - size);
        const auto got = scored<Score>(*evaluator, forest, rows.slice(first, size));
        ASSERT_TRUE(equal(expected, first * n, got, n)) << size << " rows from " << first;
      }
      compare_strided<Score>(*evaluator, forest, rows, expected);
    }
  }

  // The same rows column by column, as Fortran order has them, and with gaps, not aligned.
  template <typename Score>
  void compare_strided(const kernel::ForestEvaluator& evaluator, const Forest& forest,
                       const Rows& rows, const std::vector<Score>& expected) {
    const size_t n = forest.settings().n_outputs;
    const auto item = static_cast<ptrdiff_t>(size_of(rows.type));
    const size_t count = 77;
    Rows fortran = rows.slice(0, count);
    fortran.row_stride = item;
    fortran.column_stride = item * static_cast<ptrdiff_t>(count);
    Rows gaps = rows.slice(0, count);
    gaps.column_stride = item * 2 + 1;
    gaps.row_stride = gaps.column_stride * static_cast<ptrdiff_t>(rows.width) + 3;
    for (Rows view : {fortran, gaps}) {
      std::vector<char> bytes(count * (rows.width * size_of(rows.type) * 3 + 8) + 8);
      view.data = bytes.data();
      for (size_t r = 0; r < count; ++r)
        for (size_t c = 0; c < rows.width; ++c)
          std::memcpy(
              const_cast<char*>(view.row(r)) + static_cast<ptrdiff_t>(c) * view.column_stride,
              rows.row(r) + static_cast<ptrdiff_t>(c) * item, size_of(rows.type));
      for (const size_t size : {size_t{1}, count})
        ASSERT_TRUE(equal(expected, 0, scored<Score>(evaluator, forest, view.slice(0, size)), n))
            << "strides " << view.row_stride << ", " << view.column_stride;
    }
  }

  void compare_inputs(const Kernels& kernels, const Forest& forest, uint64_t seed) {
    if (forest.settings().accumulator == kF32) {
      compare<float, float>(kernels, forest, seed);
      compare<float, double>(kernels, forest, seed);
    } else {
      compare<double, float>(kernels, forest, seed);
      compare<double, double>(kernels, forest, seed);
    }
  }

  // Every kernel that this CPU runs and that takes the forest.
  Kernels make_kernels(const Forest& forest) {
    Kernels kernels;
    kernel::SharedTables shared(forest);
    for (const kernel::KernelEntry& entry : kernel::registry()) {
      if (entry.isa > cpu::usable_isa() || entry.name == "reference.scalar") continue;
      auto evaluator = entry.make(forest, shared);
      if (evaluator.ok()) {
        kernels.push_back(std::move(evaluator).value());
        continue;
      }
      EXPECT_EQ(evaluator.error().code, Code::kUnsupported) << entry.name;
      std::cout << entry.name << ": " << evaluator.error().message << "\n";
    }
    return kernels;
  }
};

TEST_P(Differential, EveryKernelGivesTheReferencesScores) {
  const ForestShape& shape = GetParam();
  const uint64_t seeds = shape.leaves_max > 500 || shape.n_features > 500 ? 1 : 3;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const Forest forest = ForestMaker(shape, seed).make();
    compare_inputs(make_kernels(forest), forest, seed);
    if (HasFatalFailure()) return;
  }
}

// The rows would not notice a wrong rule if they missed the values that it decides: each change to
// the forest's meaning must change some score.
TEST(DecisiveRows, TellTheRulesApart) {
  ForestShape shape{.name = "all", .input = kF64, .accumulator = kF64, .missing = kAll};
  shape.categorical = 0.3;
  const Forest forest = ForestMaker(shape, 1).make();
  const std::vector<double> values = decisive_rows<double>(forest, 500, 1);
  const Rows rows = dense_rows(values.data(), 500, shape.n_features);
  const auto scores_of = [&](const Forest& f) {
    return scored<double>(*kernel::make_reference(f).value(), f, rows);
  };
  const std::vector<double> expected = scores_of(forest);
  const auto expect_change = [&](const char* what, ForestSettings settings, auto change) {
    std::vector<Node> nodes(forest.nodes.begin(), forest.nodes.end());
    for (Node& node : nodes)
      if (!node.is_leaf()) change(node);
    Forest changed = forest;
    changed.nodes = nodes;
    auto adopted = adopt_forest(settings, changed);
    ASSERT_TRUE(adopted.ok()) << adopted.error().message;
    EXPECT_FALSE(equal(expected, 0, scores_of(*adopted), 1)) << what;
  };
  const auto replace = [](MissingRule from, MissingRule to) {
    return [=](Node& node) {
      if (!node.is_categorical() && node.missing == from) node.missing = to;
    };
  };
  ForestSettings other = forest.settings();
  other.comparison = kLe;
  expect_change("comparison", other, [](Node&) {});
  const ForestSettings& same_settings = forest.settings();
  expect_change("NaN as zero", same_settings, replace(MissingRule::kNan, MissingRule::kNanIsZero));
  expect_change("NaN missing", same_settings, replace(MissingRule::kNanIsZero, MissingRule::kNan));
  expect_change("zero missing", same_settings, replace(MissingRule::kNan, MissingRule::kZeroOrNan));
  expect_change("zero present", same_settings, replace(MissingRule::kZeroOrNan, MissingRule::kNan));
  expect_change("default of NaN", same_settings, [](Node& node) {
    if (!node.is_categorical()) node.flags ^= Node::kDefaultLeft;
  });
  expect_change("default of categories", same_settings, [](Node& node) {
    if (node.is_categorical()) node.flags ^= Node::kDefaultLeft;
  });
}

INSTANTIATE_TEST_SUITE_P(Shapes, Differential, ::testing::ValuesIn(shapes()),
                         [](const auto& shape) { return shape.param.name; });

}  // namespace
}  // namespace spinney::testing
