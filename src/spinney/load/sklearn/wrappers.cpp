#include "spinney/load/sklearn/wrappers.h"

#include <algorithm>
#include <utility>

#include "spinney/load/pickle/attributes.h"
#include "spinney/model/decision_function.h"

namespace spinney::load {
namespace {

bool has_two_classes(const Description& model) {
  return model.output.labels.size() == 1 && model.output.labels[0].size() == 2;
}

Result<uint32_t> add_probability_of_second(uint32_t from, const ModelPtr& model,
                                           GraphBuilder& builder) {
  SPINNEY_ASSIGN(const uint32_t both,
                 builder.add(ScoreNode{from, AnswerOf::kProbabilities, model}));
  return builder.add(SelectNode{both, {1}});
}

// The labels of its classes as numbers, which numpy makes of what `predict` gives.
Result<std::vector<double>> numbers_of(const Description& model) {
  if (model.output.labels.size() != 1) return unsupported("it predicts several targets at once");
  const Labels& labels = model.output.labels[0];
  if (const auto* whole = std::get_if<std::vector<int64_t>>(&labels.values))
    return std::vector<double>(whole->begin(), whole->end());
  if (const auto* real = std::get_if<std::vector<double>>(&labels.values)) return *real;
  return unsupported("its labels are no numbers");
}

}  // namespace

Result<ModelPtr> read_model(const Value& value, DescribeContext& context, const std::string& what) {
  auto parts = describe_estimator(value, context);
  auto inner =
      parts.ok() ? make_description(std::move(parts).value()) : Result<Description>(parts.error());
  if (!inner.ok()) return Error{inner.error().code, what + ": " + inner.error().message};
  return std::make_shared<const Description>(std::move(inner).value());
}

Result<std::vector<ModelPtr>> read_models(const Record& record, std::string_view name,
                                          DescribeContext& context) {
  SPINNEY_ASSIGN(const List* const estimators, list_attribute(record, name));
  if (estimators->empty()) return corrupt(place(record, name) + " is empty");
  std::vector<ModelPtr> models;
  for (size_t m = 0; m < estimators->size(); ++m) {
    SPINNEY_ASSIGN(ModelPtr model, read_model((*estimators)[m], context,
                                              record.full_name() + ", " + std::string(name) + "[" +
                                                  std::to_string(m) + "]"));
    models.push_back(std::move(model));
  }
  return models;
}

bool is_classifier(const Description& model) {
  return model.output.decision != Decision::kValues && !model.output.labels.empty();
}

Result<bool> has_decision_function(const Description& model) {
  switch (decision_function_of(model)) {
    case DecisionFunction::kRaw:
      return true;
    case DecisionFunction::kElsewhere:
      return unsupported("the decision_function of a " + model.source.kind +
                         ", the mean of its members' own, has no native path");
    default:
      return false;
  }
}

Result<uint32_t> add_method(std::string_view method, uint32_t from, const ModelPtr& model,
                            GraphBuilder& builder) {
  if (method == "predict_proba") {
    if (!model->output.has_probabilities) return corrupt("it has no predict_proba");
    if (model->output.labels.size() != 1)
      return unsupported("its probabilities are of several targets");
    if (has_two_classes(*model)) return add_probability_of_second(from, model, builder);
    return builder.add(ScoreNode{from, AnswerOf::kProbabilities, model});
  }
  if (method == "decision_function") {
    SPINNEY_ASSIGN(const bool has, has_decision_function(*model));
    if (!has) return corrupt("it has no decision_function");
    return builder.add(ScoreNode{from, AnswerOf::kRaw, model});
  }
  if (method != "predict")
    return unsupported("it is asked for " + std::string(method) + ", which has no native path");
  if (!is_classifier(*model)) {
    if (model->output.decision != Decision::kValues)
      return unsupported("it tells outliers, which are neither classes nor values");
    return builder.add(ScoreNode{from, AnswerOf::kValues, model});
  }
  SPINNEY_ASSIGN(std::vector<double> labels, numbers_of(*model));
  SPINNEY_ASSIGN(const uint32_t classes, builder.add(ScoreNode{from, AnswerOf::kClasses, model}));
  return builder.add(LabelNode{classes, std::move(labels)});
}

Result<BinaryScore> add_binary_score(const ModelPtr& model, GraphBuilder& builder) {
  BinaryScore score;
  std::string_view method = "decision_function";
  if (!is_classifier(*model)) {
    method = "predict";
    score.threshold = 0.5;
  } else {
    if (!has_two_classes(*model)) return unsupported("it does not decide between two classes");
    SPINNEY_ASSIGN(const bool has, has_decision_function(*model));
    if (!has) {
      method = "predict_proba";
      score.threshold = 0.5;
    }
  }
  SPINNEY_ASSIGN(score.node, add_method(method, 0, model, builder));
  if (builder.shape(score.node).columns != 1) return corrupt("it does not give one score");
  return score;
}

Status answer_by(const ModelPtr& model, uint32_t from, GraphBuilder builder,
                 DescriptionParts& description) {
  description.output = model->output;
  GraphAnswers answers;
  SPINNEY_ASSIGN(answers.scores, builder.add(ScoreNode{from, AnswerOf::kRaw, model}));
  const auto* graph = std::get_if<GraphPtr>(&model->scorer);
  if (graph && (*graph)->answers().values != kNoNode) {
    SPINNEY_ASSIGN(answers.values, builder.add(ScoreNode{from, AnswerOf::kValues, model}));
  }
  if (model->output.decision == Decision::kByNode) {
    SPINNEY_ASSIGN(answers.classes, builder.add(ScoreNode{from, AnswerOf::kClasses, model}));
  }
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish(answers));
  return {};
}

}  // namespace spinney::load
