// Rows with equal keys decide every split alike, so that their answers are equal; rows that any
// split tells apart have different keys.
#include "spinney/rank/row_key.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "../kernel/random_forest.h"

namespace spinney::testing {
namespace {

constexpr size_t kRows = 240;

std::vector<bool> decisions(const Forest& forest, const Rows& rows, size_t r) {
  std::vector<bool> all;
  for (const Node& node : forest.nodes) {
    if (node.is_leaf()) continue;
    double value = rows.at(r, node.feature);
    if (forest.settings().input == NumberType::kFloat32) value = static_cast<float>(value);
    all.push_back(forest.goes_left(node, value));
  }
  return all;
}

// Decisive rows, half of them copies of another with one value moved a little or a lot.
template <typename Real>
std::vector<Real> related_rows(const Forest& forest, uint64_t seed) {
  const size_t width = forest.settings().n_features;
  std::vector<Real> values = decisive_rows<Real>(forest, kRows, seed);
  Random random(seed + 1);
  for (size_t r = kRows / 2; r < kRows; ++r) {
    const size_t from = random.below(kRows / 2);
    std::memcpy(&values[r * width], &values[from * width], width * sizeof(Real));
    Real& value = values[r * width + random.below(width)];
    if (random.chance(0.3))
      value = std::nextafter(value, random.chance(0.5) ? Real(1e30) : Real(-1e30));
    else
      value += static_cast<Real>(random.normal() * (random.chance(0.5) ? 1e-3 : 1));
  }
  return values;
}

template <typename Real>
void check(const ForestShape& shape, uint64_t seed) {
  const Forest forest = ForestMaker(shape, seed).make();
  const auto made = rank::RowKey::make(forest);
  ASSERT_TRUE(made.ok()) << made.error().message;
  const rank::RowKey& key = **made;
  const std::vector<Real> values = related_rows<Real>(forest, seed);
  const Rows rows = dense_rows(values.data(), kRows, forest.settings().n_features);
  std::vector<std::string> keys;
  std::vector<std::vector<bool>> outcomes;
  for (size_t r = 0; r < kRows; ++r) {
    keys.emplace_back(key.bytes(), '\0');
    key.write(rows, r, reinterpret_cast<uint8_t*>(keys.back().data()));
    outcomes.push_back(decisions(forest, rows, r));
  }
  size_t shared = 0;
  for (size_t a = 0; a < kRows; ++a)
    for (size_t b = a + 1; b < kRows; ++b) {
      if (keys[a] == keys[b]) {
        ++shared;
        ASSERT_EQ(outcomes[a], outcomes[b]);
        for (size_t t = 0; t < forest.n_trees(); ++t)
          ASSERT_EQ(forest.find_leaf(t, rows, a), forest.find_leaf(t, rows, b));
      }
      if (outcomes[a] != outcomes[b]) {
        ASSERT_NE(keys[a], keys[b]);
      }
    }
  EXPECT_GT(shared, 0u);  // or this would prove nothing
}

TEST(RowKey, IsExact) {
  using S = ForestShape;
  S plain{.name = "plain"};
  S rules{.name = "all_rules", .n_features = 5, .missing = Missing::kAllRules};
  S categories{.name = "categories", .n_trees = 15, .categorical = 0.5};
  S slices{.name = "slices", .n_features = 2, .n_trees = 60, .leaves_min = 16};
  for (S shape : {plain, rules, categories, slices})
    for (const NumberType input : {NumberType::kFloat32, NumberType::kFloat64})
      for (const Comparison comparison : {Comparison::kLess, Comparison::kLessEqual})
        for (uint64_t seed = 1; seed <= 3; ++seed) {
          shape.input = input;
          shape.comparison = comparison;
          SCOPED_TRACE(shape.name + std::to_string(seed));
          check<float>(shape, seed);
          check<double>(shape, seed);
        }
}

TEST(RowKey, RefusesWhatIsNoFunctionOfRanks) {
  ForestShape linear{.name = "linear"};
  linear.linear = 0.5;
  linear.input = NumberType::kFloat64;
  linear.accumulator = NumberType::kFloat64;
  const auto refused = rank::RowKey::make(ForestMaker(linear, 1).make());
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("linear"), std::string::npos);
}

}  // namespace
}  // namespace spinney::testing
