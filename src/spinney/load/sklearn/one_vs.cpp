// OneVsRestClassifier and OneVsOneClassifier: a classifier for each class, or each pair of them.
#include <algorithm>

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/binaries.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/load/sklearn/wrappers.h"

namespace spinney::load {
namespace {

// One column for each model: its score, or the probability of the second of its classes.
struct Scores {
  uint32_t scores = 0, probabilities = kNoNode;
  double threshold = 0;
};

Result<Scores> add_scores(const Record& record, const Binaries& binaries, GraphBuilder& builder) {
  JoinNode scores, probabilities;
  Scores made;
  for (size_t m = 0; m < binaries.size(); ++m) {
    SPINNEY_ASSIGN(const BinaryScore score, binaries.add_score(record, m, builder));
    scores.from.push_back(score.node);
    if (m == 0) made.threshold = score.threshold;
    const ModelPtr& model = binaries.models[m];
    if (model && !model->output.has_probabilities) continue;
    const bool decides = std::holds_alternative<ScoreNode>(builder.nodes()[score.node]);
    uint32_t probability = score.node;
    if (decides) {
      SPINNEY_ASSIGN(probability, add_method("predict_proba", 0, model, builder));
    }
    probabilities.from.push_back(probability);
  }
  const bool both = probabilities.from.size() == binaries.size();
  const bool alike = both && probabilities.from == scores.from;
  SPINNEY_ASSIGN(made.scores, builder.add(std::move(scores)));
  if (both) made.probabilities = made.scores;
  if (both && !alike) {
    SPINNEY_ASSIGN(made.probabilities, builder.add(std::move(probabilities)));
  }
  return made;
}

Result<Labels> read_labels(const Record& record) {
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  return to_labels(*classes, place(record, "classes_"));
}

Labels zero_or_one() { return {std::vector<int64_t>{0, 1}, false, "<i8"}; }

// What LabelBinarizer says of the labels: their kind and names.
Status read_targets(const Record& record, size_t n_models, Output& output) {
  SPINNEY_ASSIGN(const Record* const binarizer, record_attribute(record, "label_binarizer_"));
  SPINNEY_ASSIGN(const std::string kind, text_attribute(*binarizer, "y_type_"));
  SPINNEY_ASSIGN(Labels labels, read_labels(*binarizer));
  output.decision_on_raw = true;
  if (kind.starts_with("multilabel")) {
    output.labels.assign(n_models, zero_or_one());
    output.decision = Decision::kThreshold;
    output.task = Task::kBinary;
    output.keep_column_axis = true;
    return {};
  }
  const size_t wanted = n_models == 1 ? 2 : n_models;
  if (labels.size() != wanted || (kind != "binary" && kind != "multiclass"))
    return unsupported(record.full_name() + ": " + std::to_string(n_models) + " estimators for " +
                       std::to_string(labels.size()) + " classes of kind " + kind +
                       " have no native path");
  output.labels = {std::move(labels)};
  output.decision = n_models == 1 ? Decision::kThreshold : Decision::kArgmax;
  output.task = n_models == 1 ? Task::kBinary : Task::kMulticlass;
  return {};
}

NumberType number_type(const GraphBuilder& builder, uint32_t node) {
  return static_cast<NumberType>(builder.shape(node).type);
}

}  // namespace

Result<DescriptionParts> describe_sklearn_one_vs_rest(const Record& record,
                                                      DescribeContext& context) {
  DescriptionParts description;
  GraphBuilder builder;
  SPINNEY_ASSIGN(const Binaries binaries, read_binaries(record, context, description));
  SPINNEY_TRY(builder.add(InputNode{binaries.n_features}));
  SPINNEY_ASSIGN(const Scores made, add_scores(record, binaries, builder));
  Output& output = description.output;
  SPINNEY_TRY(read_targets(record, binaries.size(), output));
  output.objective = "one-vs-rest";
  output.threshold = made.threshold;
  output.has_probabilities = made.probabilities != kNoNode;
  GraphAnswers answers{made.scores};
  if (output.has_probabilities) answers.values = made.probabilities;
  if (output.has_probabilities && output.task == Task::kMulticlass) {
    SPINNEY_ASSIGN(answers.values, builder.add(MapNode{made.probabilities, Function::kShare}));
  }
  output.value_type =
      number_type(builder, output.has_probabilities ? answers.values : answers.scores);
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish(answers));
  return description;
}

Result<DescriptionParts> describe_sklearn_one_vs_one(const Record& record,
                                                     DescribeContext& context) {
  DescriptionParts description;
  GraphBuilder builder;
  if (optional_attribute(record, "pairwise_indices_"))
    return unsupported(record.full_name() + " of a precomputed kernel has no native path");
  SPINNEY_ASSIGN(const Binaries binaries, read_binaries(record, context, description));
  SPINNEY_TRY(builder.add(InputNode{binaries.n_features}));
  Output& output = description.output;
  output.labels.emplace_back();
  SPINNEY_ASSIGN(output.labels[0], read_labels(record));
  PairwiseVotesNode votes;
  votes.n_classes = static_cast<uint32_t>(output.labels[0].size());
  std::vector<uint32_t> confidences;
  double threshold = 0;
  for (size_t m = 0; m < binaries.size(); ++m) {
    if (!binaries.models[m])
      return corrupt(record.full_name() + " holds a constant for two classes");
    const auto says = builder.add(ScoreNode{0, AnswerOf::kClasses, binaries.models[m]});
    if (!says.ok()) return of_estimator(record, m, says.error());
    SPINNEY_ASSIGN(const BinaryScore score, binaries.add_score(record, m, builder));
    if (m == 0) threshold = score.threshold;
    votes.from.push_back(*says);
    confidences.push_back(score.node);
  }
  votes.from.insert(votes.from.end(), confidences.begin(), confidences.end());
  GraphAnswers answers;
  SPINNEY_ASSIGN(answers.scores, builder.add(std::move(votes)));
  output.objective = "one-vs-one";
  output.task = output.labels[0].size() == 2 ? Task::kBinary : Task::kMulticlass;
  output.decision = output.task == Task::kBinary ? Decision::kThreshold : Decision::kArgmax;
  output.threshold = threshold;
  output.decision_on_raw = true;
  output.value_type = NumberType::kFloat64;
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish(answers));
  return description;
}

}  // namespace spinney::load
