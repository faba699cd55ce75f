// Linear plans: the exact sum rounded once, whatever the layout of the rows, and the same row by
// row as in bulk; sparse rows and gblinear in the library's own order.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "spinney/kernel/linear/exact_dot.h"
#include "spinney/model/ensemble.h"
#include "spinney/spinney.h"

namespace spinney {
namespace {

struct Case {
  Linear linear;
  std::vector<double> x;
  size_t rows;
};

template <typename Real>
Case random_case(size_t features, size_t outputs, size_t rows, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> weights(features * outputs), bias(outputs), x(features * rows);
  for (double& w : weights) w = static_cast<Real>(normal(random));
  for (double& b : bias) b = static_cast<Real>(normal(random));
  for (double& v : x) v = static_cast<Real>(normal(random));
  Case made{{}, std::move(x), rows};
  made.linear.arithmetic = sizeof(Real) == 4 ? NumberType::kFloat32 : NumberType::kFloat64;
  made.linear.n_features = static_cast<uint32_t>(features);
  made.linear.n_outputs = static_cast<uint32_t>(outputs);
  made.linear.weights = std::move(weights);
  made.linear.bias = std::move(bias);
  return made;
}

std::shared_ptr<const Description> described(DescriptionParts parts) {
  return std::make_shared<const Description>(make_description(std::move(parts)).value());
}

Model model_of(Linear linear) {
  auto made = make_linear(std::move(linear));
  EXPECT_TRUE(made.ok());
  DescriptionParts description;
  description.scorer = std::move(made).value();
  auto model = Model::make(described(std::move(description)));
  EXPECT_TRUE(model.ok());
  return std::move(model).value();
}

template <typename Real>
std::vector<Real> raw(const Model& model, const Rows& rows) {
  std::vector<Real> scores(rows.count * model.n_outputs());
  EXPECT_TRUE(model.predict_raw(rows, scores.data()).ok());
  return scores;
}

// The exact sum, rounded once, and the intercept added to that.
template <typename Real>
void check_sums(size_t features, size_t outputs) {
  const Case c = random_case<Real>(features, outputs, 70, static_cast<uint32_t>(features));
  const Model model = model_of(c.linear);
  std::vector<Real> x(c.x.begin(), c.x.end());
  const auto scores = raw<Real>(model, dense_rows(x.data(), c.rows, features));
  for (size_t r = 0; r < c.rows; ++r)
    for (size_t k = 0; k < outputs; ++k) {
      const double* w = c.linear.weights.begin() + k * features;
      Real sum;
      if constexpr (sizeof(Real) == 4)
        sum = kernel::exact_dot_float(x.data() + r * features, w, features);
      else
        sum = kernel::exact_dot(x.data() + r * features, w, features);
      EXPECT_EQ(scores[r * outputs + k], sum + static_cast<Real>(c.linear.bias[k]))
          << features << " features, row " << r;
    }
}

TEST(LinearPlan, GivesTheExactSumRoundedOnceAndThenTheIntercept) {
  for (const size_t features : {1, 2, 7, 8, 9, 15, 16, 17, 64, 100, 1000})
    for (const size_t outputs : {1, 3}) {
      check_sums<double>(features, outputs);
      check_sums<float>(features, outputs);
    }
}

// One row that stores 3 * w[1], 1e20 * w[0], -1e20 * w[0], 2 * w[1]: out of order, cells twice.
struct StoredRow {
  double values[4] = {3, 1e20, -1e20, 2};
  int32_t columns[4] = {1, 0, 0, 1}, begin[2] = {0, 4};
  SparseRows rows() const {
    return {values, NumberType::kFloat64, 4, begin, columns, IndexType::kInt32, 1, 2};
  }
};

double score_of(const Model& model, const SparseRows& rows) {
  double score = 0;
  EXPECT_TRUE(model.predict_raw(rows, &score).ok());
  return score;
}

TEST(LinearPlan, SparseRowsAddUpInTheOrderInWhichTheyAreStored) {
  Linear linear;
  linear.n_features = 2;
  linear.weights = std::vector<double>{1, 1};
  linear.bias = std::vector<double>{0.5};
  // ((3 + 1e20) - 1e20) + 2, and not 5.
  EXPECT_EQ(score_of(model_of(linear), StoredRow().rows()), 2.5);
}

TEST(LinearPlan, GblinearSortsStoredEntriesByColumn) {
  Linear linear;
  linear.n_features = 2;
  linear.skip_missing = true;
  linear.weights = std::vector<double>{1, 1};
  linear.bias = std::vector<double>{0.5};
  // (((0.5 + 1e20) - 1e20) + 3) + 2
  EXPECT_EQ(score_of(model_of(linear), StoredRow().rows()), 5.0);
  linear.missing_value = 3;
  EXPECT_EQ(score_of(model_of(linear), StoredRow().rows()), 2.0);
}

TEST(LinearPlan, MembersOfEnsemblesSeeTheirEntriesInOrder) {
  Linear linear;
  linear.n_features = 3;
  linear.weights = std::vector<double>{1, 1, 1};
  linear.bias = std::vector<double>{0};
  DescriptionParts member;
  member.output.value_type = NumberType::kFloat64;
  member.scorer = make_linear(linear).value();
  Ensemble ensemble;
  ensemble.combination = Combination::kMeanValue;
  ensemble.n_features = 2;
  // The columns the other way round, and one of them again.
  ensemble.members.push_back({described(std::move(member)), {1, 0, 1}, {}, 1});
  DescriptionParts whole;
  whole.output.value_type = NumberType::kFloat64;
  whole.scorer = make_ensemble(std::move(ensemble)).value();
  const auto model = Model::make(described(std::move(whole)));
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(score_of(*model, StoredRow().rows()), 4);  // 3 + 3 + 1e20 - 1e20 + 2 + 2
}

TEST(LinearPlan, DoublesMakeFloat32ArithmeticWide) {
  Linear linear;
  linear.arithmetic = NumberType::kFloat32;
  linear.n_features = 2;
  linear.weights = std::vector<double>{1, 1};
  linear.bias = std::vector<double>{0};
  const double x[] = {1, 1e-9};
  const float narrow[] = {1, 1e-9f};
  DescriptionParts description;
  description.output.value_type = NumberType::kFloat32;
  description.scorer = make_linear(linear).value();
  const auto model = Model::make(described(std::move(description)));
  ASSERT_TRUE(model.ok());
  const Model& wide = model->for_rows(NumberType::kFloat64);
  EXPECT_EQ(&model->for_rows(NumberType::kFloat32), &*model);
  EXPECT_EQ(wide.description().score_type(), NumberType::kFloat64);
  EXPECT_EQ(wide.description().output.value_type, NumberType::kFloat64);
  EXPECT_EQ(raw<double>(wide, dense_rows(x, 1, 2))[0], 1 + 1e-9);
  EXPECT_EQ(raw<float>(*model, dense_rows(narrow, 1, 2))[0], 1.0f);
  EXPECT_EQ(raw<float>(*model, dense_rows(x, 1, 2))[0], 1.0f);  // computed wide, then rounded
  EXPECT_EQ(&wide.for_rows(NumberType::kFloat64), &wide);
}

TEST(LinearPlan, AWideInterceptIsAddedToAFloat32Sum) {
  Linear linear;
  linear.arithmetic = NumberType::kFloat32;
  linear.wide_intercept = true;
  linear.n_features = 2;
  linear.weights = std::vector<double>{1, 1};
  linear.bias = std::vector<double>{0.1};
  const float x[] = {1, 1e-9f};
  EXPECT_EQ(raw<double>(model_of(linear), dense_rows(x, 1, 2))[0], 1.0 + 0.1);
}

TEST(LinearPlan, AnswersDoNotDependOnTheBatchOrTheLayout) {
  for (const size_t features : {5, 30, 300}) {
    const Case c = random_case<double>(features, 2, 40, 7);
    const Model model = model_of(c.linear);
    const Rows packed = dense_rows(c.x.data(), c.rows, features);
    const auto bulk = raw<double>(model, packed);
    std::vector<double> by_column(c.x.size());
    for (size_t r = 0; r < c.rows; ++r)
      for (size_t j = 0; j < features; ++j) by_column[j * c.rows + r] = c.x[r * features + j];
    const Rows fortran{by_column.data(),
                       NumberType::kFloat64,
                       c.rows,
                       features,
                       8,
                       static_cast<ptrdiff_t>(8 * c.rows)};
    EXPECT_EQ(raw<double>(model, fortran), bulk);
    for (size_t r = 0; r < c.rows; ++r) {
      const auto one = raw<double>(model, packed.slice(r, 1));
      EXPECT_EQ(one[0], bulk[2 * r]);
      EXPECT_EQ(one[1], bulk[2 * r + 1]);
    }
  }
}

TEST(LinearPlan, NanMakesNanUnlessMissingIsSkipped) {
  Case c = random_case<float>(3, 1, 1, 1);
  const float x[] = {2.0f, std::nanf(""), 3.0f};
  EXPECT_TRUE(std::isnan(raw<float>(model_of(c.linear), dense_rows(x, 1, 3))[0]));
  c.linear.skip_missing = true;
  const auto& w = c.linear.weights;
  float expected = static_cast<float>(c.linear.bias[0]);
  expected += 2.0f * static_cast<float>(w[0]);
  expected += 3.0f * static_cast<float>(w[2]);
  EXPECT_EQ(raw<float>(model_of(c.linear), dense_rows(x, 1, 3))[0], expected);
}

TEST(LinearPlan, GblinearAddsInColumnOrder) {
  Case c = random_case<float>(100, 2, 20, 3);
  c.linear.skip_missing = true;
  const auto scores = raw<float>(model_of(c.linear), dense_rows(c.x.data(), c.rows, 100));
  for (size_t r = 0; r < c.rows; ++r)
    for (size_t k = 0; k < 2; ++k) {
      auto sum = static_cast<float>(c.linear.bias[k]);
      for (size_t j = 0; j < 100; ++j)
        sum += static_cast<float>(c.x[r * 100 + j]) *
               static_cast<float>(c.linear.weights[k * 100 + j]);
      EXPECT_EQ(scores[r * 2 + k], sum);
    }
}

TEST(LinearPlan, RefusesWeightsThatDoNotFit) {
  Linear linear = random_case<double>(3, 2, 1, 1).linear;
  linear.n_features = 4;
  const auto made = make_linear(linear);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("6 weights for 2 outputs of 4"), std::string::npos);
}

}  // namespace
}  // namespace spinney
