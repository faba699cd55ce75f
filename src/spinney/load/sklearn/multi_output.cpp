// MultiOutputClassifier and -Regressor, ClassifierChain and RegressorChain: a model for each
// target.
#include <algorithm>
#include <cmath>

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/load/sklearn/wrappers.h"
#include "spinney/model/decision_function.h"

namespace spinney::load {
namespace {

struct Targets {
  std::vector<ModelPtr> models;
  GraphBuilder builder;
};

Result<Targets> start(const Record& record, DescribeContext& context, uint32_t derived,
                      DescriptionParts& description) {
  Targets targets;
  SPINNEY_TRY(read_sklearn_source(record, description));
  SPINNEY_ASSIGN(targets.models, read_models(record, "estimators_", context));
  const uint32_t seen = targets.models.back()->n_features();
  // The last model of a chain sees all other targets besides the columns.
  const uint32_t others = derived * static_cast<uint32_t>(targets.models.size() - 1);
  if (seen < others) return corrupt(record.full_name() + " has more models than columns");
  SPINNEY_TRY(read_feature_names(record, seen - others, description));
  SPINNEY_TRY(targets.builder.add(InputNode{seen - others}));
  return targets;
}

Error of_target(const Record& record, size_t t, const Error& error) {
  return Error{error.code,
               record.full_name() + ", estimators_[" + std::to_string(t) + "]: " + error.message};
}

// One type of all columns, so that each target's answer is of its own model's type.
Result<uint32_t> join_alike(const Record& record, std::vector<uint32_t> from,
                            GraphBuilder& builder) {
  for (const uint32_t node : from)
    if (builder.shape(node).type != builder.shape(from[0]).type)
      return unsupported(record.full_name() +
                         " over models that answer in float32 and in float64 has no native path");
  return builder.add(JoinNode{std::move(from)});
}

// With one target the shapes of probabilities are no other classifier's.
Status check_several(const Record& record, const Targets& targets) {
  if (targets.models.size() > 1) return {};
  return unsupported(record.full_name() + " of a single target has no native path");
}

// A chain's numbers are float64 whatever its models give.
Result<uint32_t> as_double(uint32_t node, GraphBuilder& builder) {
  if (builder.shape(node).type == ColumnType::kFloat64) return node;
  return builder.add(MapNode{node, Function::kDouble});
}

// The places of the targets in the order in which the chain answers them, the other way round.
Result<std::vector<uint32_t>> inverse_order(const Record& record, size_t n) {
  SPINNEY_ASSIGN(const Value* const value, attribute(record, "order_"));
  SPINNEY_ASSIGN(const std::vector<int64_t> order, to_integers(*value, place(record, "order_")));
  std::vector<uint32_t> inverse(n, kNoNode);
  for (size_t i = 0; i < order.size() && order.size() == n; ++i)
    if (order[i] >= 0 && static_cast<size_t>(order[i]) < n)
      inverse[static_cast<size_t>(order[i])] = static_cast<uint32_t>(i);
  if (std::find(inverse.begin(), inverse.end(), kNoNode) == inverse.end()) return inverse;
  return corrupt(place(record, "order_") + " is no order of " + std::to_string(n) + " targets");
}

// Labels as numpy holds them in an array of float64.
Result<Labels> as_doubles(const Description& model) {
  if (model.output.labels.size() != 1) return unsupported("it predicts several targets");
  const Labels& own = model.output.labels[0];
  Labels labels;
  labels.dtype = "<f8";
  if (const auto* whole = std::get_if<std::vector<int64_t>>(&own.values))
    labels.values = std::vector<double>(whole->begin(), whole->end());
  else if (const auto* real = std::get_if<std::vector<double>>(&own.values))
    labels.values = *real;
  else
    return unsupported("its labels are no numbers");
  return labels;
}

// Nodes of a chain: per model, in the chain's order, what it answers.
struct Chain {
  std::vector<uint32_t> answers, classes, probabilities;
  std::vector<uint32_t> seen;  // what each model reads
  std::vector<Labels> labels;
};

Status add_answers(const ModelPtr& model, uint32_t from, GraphBuilder& builder, Chain& chain) {
  if (!is_classifier(*model)) {
    SPINNEY_ASSIGN(const uint32_t values, add_method("predict", from, model, builder));
    if (builder.shape(values).columns != 1) return corrupt("it does not give one value");
    chain.answers.push_back(values);
    return {};
  }
  SPINNEY_ASSIGN(Labels labels, as_doubles(*model));
  chain.labels.push_back(std::move(labels));
  SPINNEY_ASSIGN(const uint32_t classes, builder.add(ScoreNode{from, AnswerOf::kClasses, model}));
  chain.classes.push_back(classes);
  if (!model->output.has_probabilities || model->output.labels[0].size() != 2) return {};
  SPINNEY_ASSIGN(uint32_t probability, add_method("predict_proba", from, model, builder));
  SPINNEY_ASSIGN(probability, as_double(probability, builder));
  chain.probabilities.push_back(probability);
  return {};
}

// What the models behind this one see of its target.
Result<uint32_t> add_feature(std::string_view method, const ModelPtr& model, uint32_t from,
                             GraphBuilder& builder) {
  SPINNEY_ASSIGN(const uint32_t node, add_method(method, from, model, builder));
  if (builder.shape(node).columns != 1)
    return unsupported("its " + std::string(method) + " is not one number");
  return as_double(node, builder);
}

Result<Chain> add_chain(const Record& record, Targets& targets) {
  const Value* named = optional_attribute(record, "chain_method_");
  const std::string method(named ? named->string().value_or("predict") : "predict");
  GraphBuilder& builder = targets.builder;
  Chain chain;
  JoinNode seen{{0}};
  for (size_t t = 0; t < targets.models.size(); ++t) {
    const ModelPtr& model = targets.models[t];
    uint32_t from = 0;
    if (t > 0) {
      SPINNEY_ASSIGN(from, builder.add(seen));
    }
    chain.seen.push_back(from);
    const Status added = add_answers(model, from, builder, chain);
    if (!added.ok()) return of_target(record, t, added.error());
    if (t + 1 == targets.models.size()) break;
    const auto feature = add_feature(method, model, from, builder);
    if (!feature.ok()) return of_target(record, t, feature.error());
    seen.from.push_back(*feature);
  }
  return chain;
}

// The decisions of all models, where each has them; else none.
Result<std::vector<uint32_t>> add_decisions(Targets& targets, const Chain& chain) {
  std::vector<uint32_t> decisions;
  for (const ModelPtr& model : targets.models)
    if (decision_function_of(*model) != DecisionFunction::kRaw) return decisions;
  for (size_t t = 0; t < targets.models.size(); ++t) {
    SPINNEY_ASSIGN(uint32_t decision, add_method("decision_function", chain.seen[t],
                                                 targets.models[t], targets.builder));
    SPINNEY_ASSIGN(decision, as_double(decision, targets.builder));
    decisions.push_back(decision);
  }
  return decisions;
}

template <typename T>
std::vector<T> ordered(const std::vector<T>& values, const std::vector<uint32_t>& order) {
  std::vector<T> out;
  for (const uint32_t place : order) out.push_back(values[place]);
  return out;
}

}  // namespace

Result<DescriptionParts> describe_sklearn_multi_output_regressor(const Record& record,
                                                                 DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_ASSIGN(Targets targets, start(record, context, 0, description));
  std::vector<uint32_t> values;
  for (size_t t = 0; t < targets.models.size(); ++t) {
    if (is_classifier(*targets.models[t]))
      return corrupt(record.full_name() + " holds classifiers");
    const auto value = add_method("predict", 0, targets.models[t], targets.builder);
    if (!value.ok()) return of_target(record, t, value.error());
    if (targets.builder.shape(*value).columns != 1)
      return corrupt(record.full_name() + " holds models of several targets");
    values.push_back(*value);
  }
  GraphAnswers answers;
  SPINNEY_ASSIGN(answers.scores, targets.builder.add(JoinNode{std::move(values)}));
  description.output.objective = "multi-output";
  description.output.keep_column_axis = true;
  description.output.value_type =
      static_cast<NumberType>(targets.builder.shape(answers.scores).type);
  SPINNEY_ASSIGN(description.scorer, std::move(targets.builder).finish(answers));
  return description;
}

Result<DescriptionParts> describe_sklearn_multi_output_classifier(const Record& record,
                                                                  DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_ASSIGN(Targets targets, start(record, context, 0, description));
  SPINNEY_TRY(check_several(record, targets));
  std::vector<uint32_t> classes, probabilities;
  Output& output = description.output;
  for (size_t t = 0; t < targets.models.size(); ++t) {
    const ModelPtr& model = targets.models[t];
    if (!is_classifier(*model) || model->output.labels.size() != 1 ||
        !model->output.has_probabilities)
      return unsupported(record.full_name() +
                         " is read over classifiers of one target with probabilities");
    const auto says = targets.builder.add(ScoreNode{0, AnswerOf::kClasses, model});
    if (!says.ok()) return of_target(record, t, says.error());
    const auto chances = targets.builder.add(ScoreNode{0, AnswerOf::kProbabilities, model});
    if (!chances.ok()) return of_target(record, t, chances.error());
    classes.push_back(*says);
    probabilities.push_back(*chances);
    output.labels.push_back(model->output.labels[0]);
    if (output.labels[t].dtype != output.labels[0].dtype)
      return unsupported(record.full_name() + " over labels of several dtypes has no native path");
  }
  GraphAnswers answers;
  SPINNEY_ASSIGN(answers.classes, targets.builder.add(JoinNode{std::move(classes)}));
  SPINNEY_ASSIGN(answers.scores, join_alike(record, std::move(probabilities), targets.builder));
  output.objective = "multi-output";
  output.task = Task::kMulticlass;
  output.decision = Decision::kByNode;
  output.has_probabilities = true;
  output.keep_column_axis = true;
  output.value_type = static_cast<NumberType>(targets.builder.shape(answers.scores).type);
  SPINNEY_ASSIGN(description.scorer, std::move(targets.builder).finish(answers));
  return description;
}

Result<DescriptionParts> describe_sklearn_regressor_chain(const Record& record,
                                                          DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_ASSIGN(Targets targets, start(record, context, 1, description));
  SPINNEY_ASSIGN(const std::vector<uint32_t> order, inverse_order(record, targets.models.size()));
  SPINNEY_ASSIGN(Chain chain, add_chain(record, targets));
  if (chain.answers.size() != targets.models.size())
    return corrupt(record.full_name() + " holds classifiers");
  GraphBuilder& builder = targets.builder;
  SPINNEY_ASSIGN(const uint32_t joined, builder.add(JoinNode{ordered(chain.answers, order)}));
  GraphAnswers answers;
  SPINNEY_ASSIGN(answers.scores, as_double(joined, builder));
  description.output.objective = "chain";
  description.output.keep_column_axis = true;
  description.output.value_type = NumberType::kFloat64;
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish(answers));
  return description;
}

Result<DescriptionParts> describe_sklearn_classifier_chain(const Record& record,
                                                           DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_ASSIGN(Targets targets, start(record, context, 1, description));
  SPINNEY_ASSIGN(const std::vector<uint32_t> order, inverse_order(record, targets.models.size()));
  SPINNEY_TRY(check_several(record, targets));
  SPINNEY_ASSIGN(Chain chain, add_chain(record, targets));
  if (chain.probabilities.size() != targets.models.size())
    return unsupported(record.full_name() +
                       " is read over classifiers of two classes with probabilities");
  GraphBuilder& builder = targets.builder;
  GraphAnswers answers;
  SPINNEY_ASSIGN(answers.classes, builder.add(JoinNode{ordered(chain.classes, order)}));
  SPINNEY_ASSIGN(answers.scores, builder.add(JoinNode{ordered(chain.probabilities, order)}));
  SPINNEY_ASSIGN(const std::vector<uint32_t> decisions, add_decisions(targets, chain));
  if (!decisions.empty()) {
    answers.values = answers.scores;
    SPINNEY_ASSIGN(answers.scores, builder.add(JoinNode{ordered(decisions, order)}));
  }
  Output& output = description.output;
  output.labels = ordered(chain.labels, order);
  output.objective = "chain";
  output.task = Task::kBinary;
  output.decision = Decision::kByNode;
  output.has_probabilities = true;
  output.keep_column_axis = true;
  output.value_type = NumberType::kFloat64;
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish(answers));
  return description;
}

}  // namespace spinney::load
