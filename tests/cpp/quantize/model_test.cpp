// Quantized forests: scores within the proven bound of the original's, the same bits from every
// kernel, and files that give them back.
#include "spinney/quantize/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "../kernel/random_forest.h"
#include "spinney/load/artifact/artifact.h"
#include "spinney/spinney.h"

namespace spinney::testing {
namespace {

std::vector<ForestShape> shapes() {
  using S = ForestShape;
  S boosted{.name = "boosted", .n_trees = 70};
  S doubles{.name = "doubles", .input = NumberType::kFloat64, .accumulator = NumberType::kFloat64};
  doubles.leaves_max = 200;
  S vectors{.name = "vectors", .accumulator = NumberType::kFloat64, .n_outputs = 5};
  vectors.vector_leaves = true;
  S targets{.name = "targets", .n_outputs = 3, .n_trees = 40, .categorical = 0.2};
  S many{.name = "many", .n_trees = 1200, .leaves_max = 4};
  S single{.name = "single_leaves", .n_trees = 5, .leaves_max = 1};
  return {boosted, doubles, vectors, targets, many, single};
}

Description described(const ForestShape& shape, uint64_t seed) {
  DescriptionParts model;
  model.scorer = ForestMaker(shape, seed).make();
  model.output.value_type = shape.accumulator;
  return make_description(std::move(model)).value();
}

std::vector<float> random_rows(size_t n, size_t width) {
  Random random(5);
  std::vector<float> rows(n * width);
  for (float& value : rows)
    value = random.chance(0.05) ? std::nanf("") : static_cast<float>(random.normal());
  return rows;
}

std::vector<double> scores_of(const Description& description, const Rows& rows) {
  auto model = Model::make(std::make_shared<const Description>(description));
  EXPECT_TRUE(model.ok());
  const size_t n = rows.count * model->n_outputs();
  if (description.score_type() == NumberType::kFloat64) {
    std::vector<double> scores(n);
    EXPECT_TRUE(model->predict_raw(rows, scores.data()).ok());
    return scores;
  }
  std::vector<float> scores(n);
  EXPECT_TRUE(model->predict_raw(rows, scores.data()).ok());
  return {scores.begin(), scores.end()};
}

TEST(QuantizeModel, StaysWithinTheProvenBound) {
  for (const ForestShape& shape : shapes())
    for (const CodeType type : {CodeType::kInt8, CodeType::kInt16}) {
      SCOPED_TRACE(shape.name);
      const Description model = described(shape, 3);
      const auto coded = quantize::quantize_model(model, type);
      ASSERT_TRUE(coded.ok()) << coded.error().message;
      const std::vector<float> values = random_rows(300, shape.n_features);
      const Rows rows = dense_rows(values.data(), 300, shape.n_features);
      const std::vector<double> before = scores_of(model, rows), after = scores_of(*coded, rows);
      const std::vector<double>& bounds = coded->quantization->bounds;
      for (size_t i = 0; i < before.size(); ++i)
        ASSERT_LE(std::fabs(before[i] - after[i]), bounds[i % bounds.size()]);
    }
}

TEST(QuantizeModel, IsTheSameInBlocksRowByRowAndFromItsFile) {
  for (const ForestShape& shape : shapes())
    for (const CodeType type : {CodeType::kInt8, CodeType::kInt16}) {
      SCOPED_TRACE(shape.name);
      const auto coded = quantize::quantize_model(described(shape, 4), type);
      ASSERT_TRUE(coded.ok());
      const std::vector<float> values = random_rows(150, shape.n_features);
      const Rows rows = dense_rows(values.data(), 150, shape.n_features);
      const std::vector<double> together = scores_of(*coded, rows);
      std::vector<double> alone;
      for (size_t r = 0; r < rows.count; r += 50)
        for (const double score : scores_of(*coded, rows.slice(r, 1))) alone.push_back(score);
      for (size_t i = 0; i < alone.size(); ++i) {
        const size_t row = i / shape.n_outputs * 50;
        EXPECT_EQ(alone[i], together[row * shape.n_outputs + i % shape.n_outputs]);
      }
      const auto bytes = load::artifact_bytes(*coded);
      ASSERT_TRUE(bytes.ok());
      const auto again = load::read_artifact(*bytes);
      ASSERT_TRUE(again.ok()) << again.error().message;
      EXPECT_EQ(scores_of(*again, rows), together);
      EXPECT_EQ(again->quantization->bounds, coded->quantization->bounds);
    }
}

// The forest with its leaves times a factor, rounded to what the accumulator holds.
Description scaled(const ForestShape& shape, double factor, double divisor) {
  DescriptionParts model = described(shape, 6).parts();
  const Forest forest = std::get<Forest>(model.scorer);
  ForestParts parts;
  const auto copy = [](auto& to, const auto& from) { to.assign(from.begin(), from.end()); };
  parts.settings = forest.settings();
  parts.settings.divisor = divisor;
  copy(parts.tree_begin, forest.tree_begin);
  copy(parts.tree_target, forest.tree_target);
  copy(parts.nodes, forest.nodes);
  copy(parts.category_sets, forest.category_sets);
  copy(parts.category_words, forest.category_words);
  parts.base.assign(shape.n_outputs, 0);
  for (const double leaf : forest.leaf_values) {
    const double value = leaf * factor;
    parts.leaf_values.push_back(
        shape.accumulator == NumberType::kFloat32 ? static_cast<float>(value) : value);
  }
  model.scorer = *make_forest(std::move(parts));
  return make_description(std::move(model)).value();
}

TEST(QuantizeModel, TheBoundHoldsForTheSmallestNumbersAndAverages) {
  for (const ForestShape& shape : shapes())
    for (const double divisor : {1.0, 3.0, 7.0, 0.3, -2.0})
      for (const double factor : {1.0, 40.0}) {
        SCOPED_TRACE(shape.name + " / " + std::to_string(divisor));
        const double step = shape.accumulator == NumberType::kFloat32 ? 0x1p-149 : 0x1p-1074;
        const Description model = scaled(shape, factor * step, divisor);
        const auto coded = quantize::quantize_model(model, CodeType::kInt16);
        ASSERT_TRUE(coded.ok()) << coded.error().message;
        const std::vector<float> values = random_rows(200, shape.n_features);
        const Rows rows = dense_rows(values.data(), 200, shape.n_features);
        const std::vector<double> before = scores_of(model, rows), after = scores_of(*coded, rows);
        const std::vector<double>& bounds = coded->quantization->bounds;
        for (size_t i = 0; i < before.size(); ++i)
          ASSERT_LE(std::fabs(before[i] - after[i]), bounds[i % bounds.size()]) << before[i];
      }
}

TEST(QuantizeModel, RefusesLeavesWhoseSumMayOverflow) {
  for (const ForestShape& shape : shapes()) {
    SCOPED_TRACE(shape.name);
    const double large = shape.accumulator == NumberType::kFloat32 ? 0x1p126 : 0x1p1022;
    const auto coded = quantize::quantize_model(scaled(shape, large, 1), CodeType::kInt8);
    ASSERT_FALSE(coded.ok());
    EXPECT_NE(coded.error().message.find("overflow"), std::string::npos) << coded.error().message;
  }
}

TEST(QuantizeModel, LinearWeightsAsCodesAndHalves) {
  Linear linear;
  linear.n_features = 3;
  linear.weights = std::vector<double>{0.1, -2.5, 1e-9};
  linear.bias = std::vector<double>{7};
  const auto described_as = [](const Linear& scorer) {
    DescriptionParts parts;
    parts.scorer = scorer;
    return make_description(std::move(parts)).value();
  };
  const Description model = described_as(linear);
  for (const CodeType type : {CodeType::kInt8, CodeType::kFloat16}) {
    const auto coded = quantize::quantize_model(model, type);
    ASSERT_TRUE(coded.ok());
    const auto bytes = load::artifact_bytes(*coded);
    ASSERT_TRUE(bytes.ok());
    const auto again = load::read_artifact(*bytes);
    ASSERT_TRUE(again.ok()) << again.error().message;
    const float row[] = {1, 2, 3};
    const double score = scores_of(*again, dense_rows(row, 1, 3))[0];
    EXPECT_EQ(score, scores_of(*coded, dense_rows(row, 1, 3))[0]);
    EXPECT_NEAR(score, 7 + 0.1 - 5, 0.02);
  }
  EXPECT_FALSE(quantize::quantize_model(model, CodeType::kInt16).ok());
  linear.weights = std::vector<double>{1e6, 0, 0};
  EXPECT_FALSE(quantize::quantize_model(described_as(linear), CodeType::kFloat16).ok());
}

}  // namespace
}  // namespace spinney::testing
