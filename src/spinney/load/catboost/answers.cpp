// What CatBoost's objects make of raw scores, by the loss that the model was trained with.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>

#include "spinney/load/catboost/tables.h"

namespace spinney::load::catboost {
namespace {

constexpr std::array<std::string_view, 7> kClassifying = {
    "Logloss",      "CrossEntropy",      "Focal", "MultiClass", "MultiClassOneVsAll",
    "MultiLogloss", "MultiCrossEntropy",
};
constexpr std::array<std::string_view, 12> kRanking = {
    "YetiRank",       "YetiRankPairwise", "PairLogit",         "PairLogitPairwise",
    "QueryRMSE",      "QuerySoftMax",     "QueryCrossEntropy", "StochasticFilter",
    "StochasticRank", "LambdaMart",       "GroupQuantile",     "QueryAUC",
};

template <size_t kCount>
bool among(const std::array<std::string_view, kCount>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Labels numbered(size_t n) {
  std::vector<int64_t> values(n);
  std::iota(values.begin(), values.end(), int64_t{0});
  Labels labels;
  labels.values = std::move(values);
  return labels;
}

Status check_classes(const Labels& classes, size_t wanted) {
  if (classes.size() == wanted) return {};
  return corrupt("the model names " + std::to_string(classes.size()) + " classes and scores " +
                 std::to_string(wanted));
}

// The score that 1 / (1 + exp(-score)) makes the threshold of.
double score_of(double probability) { return -std::log(1 / probability - 1); }

Status classify(const Facts& facts, size_t n_raw, Output& output) {
  const bool several = facts.loss == "MultiLogloss" || facts.loss == "MultiCrossEntropy";
  output.has_probabilities = true;
  output.decision_on_raw = true;
  output.link.kind = LinkKind::kExpit;
  output.task = n_raw == 1 || several ? Task::kBinary : Task::kMulticlass;
  if (several) {  // a target a score, and 1 for those that apply, whatever its classes' names
    output.decision = Decision::kThreshold;
    output.threshold = 0;
    output.keep_column_axis = true;
    output.labels.assign(n_raw, numbered(2));
    return {};
  }
  const size_t n_classes = n_raw == 1 ? 2 : n_raw;
  output.labels = {facts.classes.size() ? facts.classes : numbered(n_classes)};
  SPINNEY_TRY(check_classes(output.labels[0], n_classes));
  if (n_raw == 1) {
    output.decision = Decision::kThreshold;
    output.threshold = score_of(facts.threshold);
    return {};
  }
  output.decision = Decision::kArgmax;
  output.keep_column_axis = true;
  if (facts.loss != "MultiClassOneVsAll") output.link.kind = LinkKind::kCatboostSoftmax;
  return {};
}

Status regress(const Facts& facts, size_t n_raw, Output& output) {
  if (facts.loss.starts_with("Poisson") || facts.loss.starts_with("Tweedie")) {
    output.link.kind = LinkKind::kCatboostExp;
  } else if (facts.loss == "RMSEWithUncertainty") {
    if (n_raw != 2)
      return corrupt("a model of RMSEWithUncertainty has " + std::to_string(n_raw) + " scores");
    output.link.kind = LinkKind::kCatboostUncertainty;
  }
  return {};
}

}  // namespace

Kind kind_of(const Facts& facts) {
  if (facts.has_classes || among(kClassifying, facts.loss)) return Kind::kClassifier;
  return among(kRanking, facts.loss) ? Kind::kRanker : Kind::kRegressor;
}

Result<Output> output_of(const Facts& facts, Kind kind, size_t n_raw) {
  Output output;
  output.objective = facts.loss;
  output.value_type = NumberType::kFloat64;
  output.task = kind == Kind::kRanker ? Task::kRanking : Task::kRegression;
  if (kind == Kind::kClassifier) SPINNEY_TRY(classify(facts, n_raw, output));
  if (kind == Kind::kRegressor) SPINNEY_TRY(regress(facts, n_raw, output));
  return output;
}

}  // namespace spinney::load::catboost
