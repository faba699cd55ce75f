// Linear plans: within their bound, whatever the layout of the rows, and the same row by row as in
// bulk; gblinear's order bit for bit.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

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

Model model_of(Linear linear) {
  auto made = make_linear(std::move(linear));
  EXPECT_TRUE(made.ok());
  Description description;
  description.scorer = std::move(made).value();
  auto model = Model::make(std::make_shared<const Description>(std::move(description)));
  EXPECT_TRUE(model.ok());
  return std::move(model).value();
}

template <typename Real>
std::vector<Real> raw(const Model& model, const Rows& rows) {
  std::vector<Real> scores(rows.count * model.n_outputs());
  EXPECT_TRUE(model.predict_raw(rows, scores.data()).ok());
  return scores;
}

template <typename Real>
void check_bound(size_t features, size_t outputs) {
  const Case c = random_case<Real>(features, outputs, 70, static_cast<uint32_t>(features));
  const Model model = model_of(c.linear);
  const auto scores = raw<Real>(model, dense_rows(c.x.data(), c.rows, features));
  for (size_t r = 0; r < c.rows; ++r)
    for (size_t k = 0; k < outputs; ++k) {
      long double sum = c.linear.bias[k], size = std::abs(c.linear.bias[k]);
      for (size_t j = 0; j < features; ++j) {
        const long double term =
            static_cast<long double>(c.x[r * features + j]) * c.linear.weights[k * features + j];
        sum += term;
        size += std::abs(term);
      }
      const double bound = 4.0 * std::numeric_limits<Real>::epsilon() * static_cast<double>(size);
      EXPECT_NEAR(static_cast<double>(scores[r * outputs + k]), static_cast<double>(sum), bound)
          << features << " features, row " << r;
    }
}

TEST(LinearPlan, StaysWithinItsBound) {
  for (const size_t features : {1, 2, 7, 8, 9, 15, 16, 17, 64, 100, 1000})
    for (const size_t outputs : {1, 3}) {
      check_bound<double>(features, outputs);
      check_bound<float>(features, outputs);
    }
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

TEST(LinearPlan, RoundsInputsToItsArithmeticFirst) {
  Linear linear;
  linear.arithmetic = NumberType::kFloat32;
  linear.n_features = 1;
  linear.weights = std::vector<double>{1};
  linear.bias = std::vector<double>{0};
  const double x = 0.1;
  EXPECT_EQ(raw<float>(model_of(linear), dense_rows(&x, 1, 1))[0], 0.1f);
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
