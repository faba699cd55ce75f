// TransformedTargetRegressor, and classifiers with a threshold of their own.
#include <array>
#include <utility>

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/load/sklearn/wrappers.h"

namespace spinney::load {
namespace {

constexpr std::array kFunctions = {
    std::pair{std::string_view("exp"), Function::kExp},
    std::pair{std::string_view("expm1"), Function::kExpm1},
    std::pair{std::string_view("square"), Function::kSquare},
    std::pair{std::string_view("sqrt"), Function::kSquareRoot},
    std::pair{std::string_view("log"), Function::kLog},
    std::pair{std::string_view("log1p"), Function::kLog1p},
};

Result<uint32_t> add_function(const Record& transformer, uint32_t from, GraphBuilder& builder) {
  const Value* inverse = optional_attribute(transformer, "inverse_func");
  if (!inverse) return from;
  const Value* arguments = optional_attribute(transformer, "inv_kw_args");
  const auto* global = inverse->global();
  if (global && global->module.starts_with("numpy") && !arguments)
    for (const auto& [name, function] : kFunctions)
      if (global->name == name) return builder.add(MapNode{from, function});
  std::string known;
  for (const auto& [name, function] : kFunctions)
    known += (known.empty() ? "" : ", ") + std::string(name);
  return unsupported(place(transformer, "inverse_func") + " is " + inverse->what() +
                     "; numpy's own " + known + " have a native path");
}

// The single number of an array, or `none` where the attribute is absent.
Result<double> single(const Record& record, std::string_view name, double none) {
  const Value* value = optional_attribute(record, name);
  if (!value) return none;
  SPINNEY_ASSIGN(const std::vector<double> numbers, to_doubles(*value, place(record, name)));
  if (numbers.size() == 1) return numbers[0];
  return unsupported(place(record, name) + " is of " + std::to_string(numbers.size()) +
                     " targets; one has a native path");
}

Result<uint32_t> add_inverse(const Record& transformer, uint32_t from, GraphBuilder& builder) {
  if (transformer.name == "FunctionTransformer") return add_function(transformer, from, builder);
  if (transformer.name != "StandardScaler")
    return unsupported("the target is transformed by a " + std::string(transformer.name) +
                       "; FunctionTransformer and StandardScaler have a native path");
  MapNode map{from, Function::kAffine};
  SPINNEY_ASSIGN(map.factor, single(transformer, "scale_", 1.0));
  // What is not added is added as -0.0, which changes nothing.
  map.summand = -0.0;
  const Value* with_mean = transformer.find("with_mean");
  if (!with_mean || with_mean->integer().value_or(1) != 0) {
    SPINNEY_ASSIGN(map.summand, single(transformer, "mean_", -0.0));
  }
  return builder.add(map);
}

// The class that a score is of: where pos_label stands among the classes.
Result<uint32_t> place_of(const Value& label, const Labels& labels, const Record& record) {
  std::string word(label.string().value_or(""));
  if (label.array() && label.array()->dtype.is_text()) {
    SPINNEY_ASSIGN(const std::vector<std::string> texts,
                   to_texts(label, place(record, "pos_label")));
    if (texts.size() == 1) word = texts[0];
  }
  for (uint32_t c = 0; c < labels.size(); ++c) {
    const auto* whole = std::get_if<std::vector<int64_t>>(&labels.values);
    const auto* real = std::get_if<std::vector<double>>(&labels.values);
    const auto* text = std::get_if<std::vector<std::string>>(&labels.values);
    const auto number = label.number();
    if ((whole && number && static_cast<double>((*whole)[c]) == *number) ||
        (real && number && (*real)[c] == *number) || (text && !number && (*text)[c] == word))
      return c;
  }
  return corrupt(place(record, "pos_label") + " is none of its classes");
}

// What TunedThresholdClassifierCV keeps in its scorer.
const Value* positive_label(const Record& record) {
  if (const Value* own = optional_attribute(record, "pos_label")) return own;
  const Value* scorer = optional_attribute(record, "_curve_scorer");
  const Value* kwargs =
      scorer && scorer->record() ? optional_attribute(*scorer->record(), "_kwargs") : nullptr;
  const Value* label = kwargs && kwargs->dict() ? kwargs->dict()->find("pos_label") : nullptr;
  return label && !label->is_none() ? label : nullptr;
}

struct Threshold {
  ThresholdNode node;
  bool by_probability = false;
};

Result<Threshold> read_threshold(const Record& record, const Description& model) {
  Threshold made;
  SPINNEY_ASSIGN(const bool decides, has_decision_function(model));
  SPINNEY_ASSIGN(const std::string method, text_attribute(record, "response_method"));
  made.by_probability =
      method == "predict_proba" || (method == "auto" && model.output.has_probabilities);
  if (made.by_probability ? !model.output.has_probabilities : !decides)
    return corrupt(place(record, "response_method") + " is " + method +
                   ", which its estimator has not");
  uint32_t positive = 1;
  if (const Value* label = positive_label(record)) {
    SPINNEY_ASSIGN(positive, place_of(*label, model.output.labels[0], record));
  }
  made.node.column = made.by_probability ? positive : 0;
  made.node.negated = !made.by_probability && positive == 0;
  made.node.reached = positive;
  made.node.below = 1 - positive;
  if (optional_attribute(record, "best_threshold_")) {
    SPINNEY_ASSIGN(made.node.threshold, number_attribute(record, "best_threshold_"));
    return made;
  }
  SPINNEY_ASSIGN(const Value* const given, attribute(record, "threshold"));
  if (given->string() == "auto") {
    made.node.threshold = made.by_probability ? 0.5 : 0.0;
    return made;
  }
  SPINNEY_ASSIGN(made.node.threshold, number_attribute(record, "threshold"));
  return made;
}

}  // namespace

Result<DescriptionParts> describe_sklearn_transformed_target(const Record& record,
                                                             DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_TRY(read_sklearn_source(record, description));
  SPINNEY_ASSIGN(const Value* const inner, attribute(record, "regressor_"));
  SPINNEY_ASSIGN(const ModelPtr model, read_model(*inner, context, place(record, "regressor_")));
  SPINNEY_TRY(read_feature_names(record, model->n_features(), description));
  SPINNEY_ASSIGN(const Record* const transformer, record_attribute(record, "transformer_"));
  SPINNEY_ASSIGN(const int64_t dimensions, integer_attribute(record, "_training_dim"));
  if (is_classifier(*model) || model->n_outputs() != 1)
    return unsupported(record.full_name() + " is read over regressors of one target");
  GraphBuilder builder;
  SPINNEY_TRY(builder.add(InputNode{model->n_features()}));
  SPINNEY_ASSIGN(const uint32_t values, builder.add(ScoreNode{0, AnswerOf::kValues, model}));
  SPINNEY_ASSIGN(const uint32_t scores, add_inverse(*transformer, values, builder));
  description.output.objective = "transformed target";
  description.output.keep_column_axis = dimensions == 2;
  description.output.value_type = static_cast<NumberType>(builder.shape(scores).type);
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish({scores}));
  return description;
}

Result<DescriptionParts> describe_sklearn_threshold(const Record& record,
                                                    DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_TRY(read_sklearn_source(record, description));
  const Value* inner = optional_attribute(record, "estimator_");
  if (!inner) {
    SPINNEY_ASSIGN(inner, attribute(record, "estimator"));
  }
  SPINNEY_ASSIGN(const ModelPtr model, read_model(*inner, context, place(record, "estimator_")));
  SPINNEY_TRY(read_feature_names(record, model->n_features(), description));
  if (model->output.labels.size() != 1 || model->output.labels[0].size() != 2)
    return unsupported(record.full_name() + " is read over classifiers of two classes");
  SPINNEY_ASSIGN(Threshold threshold, read_threshold(record, *model));
  GraphBuilder builder;
  SPINNEY_TRY(builder.add(InputNode{model->n_features()}));
  const AnswerOf looked_at = threshold.by_probability ? AnswerOf::kProbabilities : AnswerOf::kRaw;
  SPINNEY_ASSIGN(threshold.node.from, builder.add(ScoreNode{0, looked_at, model}));
  description.output = model->output;
  description.output.decision = Decision::kByNode;
  GraphAnswers answers;
  SPINNEY_ASSIGN(answers.classes, builder.add(threshold.node));
  answers.scores = threshold.node.from;
  if (threshold.by_probability) {
    SPINNEY_ASSIGN(answers.scores, builder.add(ScoreNode{0, AnswerOf::kRaw, model}));
  }
  const auto* graph = std::get_if<GraphPtr>(&model->scorer);
  if (graph && (*graph)->answers().values != kNoNode) {
    SPINNEY_ASSIGN(answers.values, builder.add(ScoreNode{0, AnswerOf::kValues, model}));
  }
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish(answers));
  return description;
}

}  // namespace spinney::load
