// Ensembles: each way of combining members against the same sums written out.
#include <gtest/gtest.h>

#include <cmath>

#include "spinney/model/ensemble.h"
#include "spinney/spinney.h"

namespace spinney {
namespace {

// A regressor or binary classifier whose raw score is w * x[0].
std::shared_ptr<const Description> scaled(double w, bool classifier) {
  Linear linear;
  linear.n_features = 1;
  linear.weights = std::vector<double>{w};
  linear.bias = std::vector<double>{0};
  DescriptionParts model;
  model.scorer = make_linear(std::move(linear)).value();
  model.output.value_type = NumberType::kFloat64;
  if (classifier) {
    model.output.labels.push_back({std::vector<int64_t>{0, 1}, false, "<i8"});
    model.output.link.kind = LinkKind::kExpit;
    model.output.has_probabilities = true;
    model.output.decision = Decision::kThreshold;
    model.output.decision_on_raw = true;
    model.output.threshold = 0;
  }
  return std::make_shared<const Description>(make_description(std::move(model)).value());
}

double expit(double x) { return 1.0 / (1.0 + std::exp(-x)); }

Model model_of(Ensemble ensemble) {
  DescriptionParts parts;
  const bool values = ensemble.combination == Combination::kMeanValue ||
                      ensemble.combination == Combination::kWeightedMedian;
  const bool one_score = ensemble.combination == Combination::kSamme && ensemble.n_outputs == 1;
  if (!values)  // its classes have names, though its values are looked at
    parts.output.labels.push_back(
        {std::vector<int64_t>(one_score ? 2 : ensemble.n_outputs, 0), false, "<i8"});
  auto made = make_ensemble(std::move(ensemble));
  EXPECT_TRUE(made.ok()) << made.error().message;
  parts.scorer = std::move(made).value();
  const auto description = make_description(std::move(parts));
  EXPECT_TRUE(description.ok()) << description.error().message;
  return Model::make(std::make_shared<const Description>(*description)).value();
}

std::vector<double> raw(const Model& model, std::vector<double> x) {
  const size_t rows = x.size() / model.n_features();
  std::vector<double> scores(rows * model.n_outputs());
  EXPECT_TRUE(
      model.predict_raw(dense_rows(x.data(), rows, model.n_features()), scores.data()).ok());
  return scores;
}

Ensemble two_of(Combination combination, uint32_t outputs, bool classifier) {
  Ensemble ensemble;
  ensemble.combination = combination;
  ensemble.n_features = 3;
  ensemble.n_outputs = outputs;
  ensemble.members = {{scaled(1.5, classifier), {2}, {}, 0.3},
                      {scaled(-2, classifier), {0}, {}, 0.5}};
  ensemble.divisor = 0.8;
  return ensemble;
}

const std::vector<double> kRow{0.25, 9, 0.75};

TEST(EnsemblePlan, AveragesValuesOfSelectedColumns) {
  const Model model = model_of(two_of(Combination::kMeanValue, 1, false));
  EXPECT_EQ(raw(model, kRow)[0], ((1.5 * 0.75) * 0.3 + (-2 * 0.25) * 0.5) / 0.8);
}

TEST(EnsemblePlan, AveragesProbabilities) {
  const Model model = model_of(two_of(Combination::kMeanProbability, 2, true));
  const double a = expit(1.5 * 0.75), b = expit(-2 * 0.25);
  EXPECT_EQ(raw(model, kRow), (std::vector<double>{((1 - a) * 0.3 + (1 - b) * 0.5) / 0.8,
                                                   (a * 0.3 + b * 0.5) / 0.8}));
}

TEST(EnsemblePlan, PlacesMembersClassesAmongItsOwn) {
  Ensemble ensemble = two_of(Combination::kMeanProbability, 3, true);
  ensemble.members[0].classes = {2, 0};
  ensemble.members[1].classes = {1, 2};
  const double a = expit(1.5 * 0.75), b = expit(-2 * 0.25);
  EXPECT_EQ(raw(model_of(ensemble), kRow), (std::vector<double>{a * 0.3 / 0.8, (1 - b) * 0.5 / 0.8,
                                                                ((1 - a) * 0.3 + b * 0.5) / 0.8}));
}

TEST(EnsemblePlan, CountsVotes) {
  Ensemble ensemble = two_of(Combination::kMajorityVote, 2, true);
  EXPECT_EQ(raw(model_of(ensemble), kRow), (std::vector<double>{0.5 / 0.8, 0.3 / 0.8}));
  ensemble.n_outputs = 3;
  ensemble.members[0].classes = {0, 2};
  ensemble.members[1].classes = {1, 2};
  EXPECT_EQ(raw(model_of(ensemble), kRow), (std::vector<double>{0, 0.5 / 0.8, 0.3 / 0.8}));
}

TEST(EnsemblePlan, BoostsByVotes) {
  Ensemble ensemble = two_of(Combination::kSamme, 1, true);
  EXPECT_EQ(raw(model_of(ensemble), kRow)[0], (2 * 0.3 - 2 * 0.5) / 0.8);
  ensemble.n_outputs = 3;
  ensemble.members[0].classes = {0, 2};
  ensemble.members[1].classes = {1, 2};
  EXPECT_EQ(raw(model_of(ensemble), kRow),
            (std::vector<double>{(-0.5 * 0.3 + -0.5 * 0.5) / 0.8, (-0.5 * 0.3 + 0.5) / 0.8,
                                 (0.3 + -0.5 * 0.5) / 0.8}));
}

TEST(EnsemblePlan, TakesTheWeightedMedian) {
  Ensemble ensemble = two_of(Combination::kWeightedMedian, 1, false);
  EXPECT_EQ(raw(model_of(ensemble), kRow)[0], -0.5);
  ensemble.members[0].weight = 0.6;
  EXPECT_EQ(raw(model_of(ensemble), kRow)[0], 1.5 * 0.75);
}

TEST(EnsemblePlan, RoundsToItsArithmetic) {
  Ensemble ensemble = two_of(Combination::kMeanValue, 1, false);
  ensemble.arithmetic = NumberType::kFloat32;
  const Model model = model_of(ensemble);
  float score = 0;
  const double x[] = {0.1, 0, 0.7};
  ASSERT_TRUE(model.predict_raw(dense_rows(x, 1, 3), &score).ok());
  const auto a = static_cast<float>(1.5 * 0.7), b = static_cast<float>(-2 * 0.1);
  EXPECT_EQ(score, (a * 0.3f + b * 0.5f) / 0.8f);
}

TEST(EnsemblePlan, BlocksChangeNothing) {
  const Model model = model_of(two_of(Combination::kMeanProbability, 2, true));
  std::vector<double> x(3 * 5000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
  const auto bulk = raw(model, x);
  for (const size_t r : {0, 1, 2047, 2048, 4999})
    EXPECT_EQ(raw(model, {x[3 * r], x[3 * r + 1], x[3 * r + 2]}),
              (std::vector<double>{bulk[2 * r], bulk[2 * r + 1]}));
}

std::string refusal(Ensemble ensemble) {
  const auto made = make_ensemble(std::move(ensemble));
  return made.ok() ? "accepted" : made.error().message;
}

TEST(Ensemble, NamesTheMemberThatDoesNotFit) {
  Ensemble ensemble = two_of(Combination::kMeanProbability, 2, true);
  ensemble.members[1].features = {3};
  EXPECT_NE(refusal(ensemble).find("member 1 of 2: it reads column 3 of 3"), std::string::npos);
  ensemble.members[1].features = {};
  EXPECT_NE(refusal(ensemble).find("given 3 columns and reads 1"), std::string::npos);
  ensemble = two_of(Combination::kMeanProbability, 2, false);
  EXPECT_NE(refusal(ensemble).find("no probabilities"), std::string::npos);
  ensemble = two_of(Combination::kMajorityVote, 3, true);
  EXPECT_NE(refusal(ensemble).find("2 classes or values where the ensemble has 3"),
            std::string::npos);
  ensemble.members[0].classes = {0, 3};
  EXPECT_NE(refusal(ensemble).find("votes for class 3 of 3"), std::string::npos);
  ensemble.members[0].model = nullptr;
  EXPECT_NE(refusal(ensemble).find("missing"), std::string::npos);
}

TEST(Ensemble, RefusesToNestWithoutEnd) {
  std::shared_ptr<const Description> inner = scaled(1, false);
  std::string last = "accepted";
  for (size_t depth = 0; depth <= kGraphDepthMax && last == "accepted"; ++depth) {
    Ensemble ensemble;
    ensemble.combination = Combination::kMeanValue;
    ensemble.n_features = 1;
    ensemble.members = {{inner, {}, {}, 1}};
    last = refusal(ensemble);
    DescriptionParts parts;
    parts.output.value_type = NumberType::kFloat64;
    auto graph = make_ensemble(ensemble);
    if (!graph.ok()) break;
    parts.scorer = *graph;
    auto made = make_description(std::move(parts));
    if (made.ok()) inner = std::make_shared<const Description>(*made);
  }
  EXPECT_NE(last.find("nest deeper"), std::string::npos);
}

}  // namespace
}  // namespace spinney
