// GradientBoosting*: trees scaled by the learning rate, on top of what the init estimator says.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "spinney/base/version.h"
#include "spinney/load/pickle/array_values.h"
#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/nodes.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/model/pairwise_sum.h"

namespace spinney::load {
namespace {

// scipy.special.logit, which takes another formula near one half.
double logit(double p) {
  if (p >= 0.3 && p <= 0.65) {
    const double s = 2 * (p - 0.5);
    return std::log1p(s) - std::log1p(-s);
  }
  return std::log(p / (1 - p));
}

// What a DummyClassifier's predict_proba gives for every row.
Result<std::vector<double>> dummy_probabilities(const Record& dummy, size_t n_classes) {
  SPINNEY_ASSIGN(const std::string strategy, text_attribute(dummy, "strategy"));
  SPINNEY_ASSIGN(const Value* const prior_value, attribute(dummy, "class_prior_"));
  SPINNEY_ASSIGN(std::vector<double> prior, to_doubles(*prior_value, place(dummy, "class_prior_")));
  if (prior.size() != n_classes)
    return corrupt(place(dummy, "class_prior_") + " holds " + std::to_string(prior.size()) +
                   " values for " + std::to_string(n_classes) + " classes");
  if (strategy == "prior") return prior;
  if (strategy == "uniform")
    return std::vector<double>(n_classes, 1.0 / static_cast<double>(n_classes));
  if (strategy == "most_frequent") {
    const auto largest = std::max_element(prior.begin(), prior.end()) - prior.begin();
    std::vector<double> chosen(n_classes, 0.0);
    chosen[static_cast<size_t>(largest)] = 1;
    return chosen;
  }
  return unsupported(dummy.full_name() + " with strategy=\"" + strategy +
                     "\" as the init of a gradient boosting model; train with init=None");
}

// Whether the model was trained by scikit-learn 1.8 or later; a file that does not say is taken for
// one.
bool since_1_8(const Record& record) {
  const Value* const version = record.find("_sklearn_version");
  const std::string_view text = version ? version->string().value_or("") : "";
  const std::optional<Version> known = parse_version(text);
  return !known || !known->before(1, 8);
}

// Initial raw scores from class probabilities, as the loss's link takes them. scikit-learn 1.4
// replaced its own losses by shared ones, with another multi-class link; 1.8 bounds probabilities
// by the eps of float64, where it was that of float32.
std::vector<double> scores_of(std::vector<double> p, bool exponential, bool since_1_4, double eps) {
  for (double& value : p) value = std::clamp(value, eps, 1 - eps);
  if (p.size() == 2) {
    const double score = since_1_4 ? logit(p[1]) : std::log(p[1] / (1 - p[1]));
    return {exponential ? 0.5 * score : score};
  }
  std::vector<double> scores;
  for (const double value : p) scores.push_back(std::log(value));
  if (!since_1_4) return scores;
  const double n = static_cast<double>(p.size());
  const double mean = std::exp(pairwise_sum(scores.data(), scores.size()) / n);
  for (size_t k = 0; k < p.size(); ++k) scores[k] = std::log(p[k] / mean);
  return scores;
}

Result<std::vector<double>> initial_scores(const Record& record, const Output& output,
                                           size_t n_outputs, bool since_1_4) {
  SPINNEY_ASSIGN(const Value* const init, attribute(record, "init_"));
  if (init->string() == "zero") return std::vector<double>(n_outputs, 0.0);
  const Record* dummy = init->record();
  if (!dummy || dummy->package() != "sklearn" || !dummy->name.starts_with("Dummy"))
    return unsupported(record.full_name() + " starts from " + init->what() +
                       "; only init=None and init=\"zero\" have a native path");
  if (dummy->name == "DummyClassifier" && !output.labels.empty()) {
    SPINNEY_ASSIGN(std::vector<double> p, dummy_probabilities(*dummy, output.labels[0].size()));
    return scores_of(std::move(p), output.objective == "exponential", since_1_4,
                     since_1_8(record) ? 0x1p-52 : 0x1p-23);
  }
  SPINNEY_ASSIGN(const Value* const constant, attribute(*dummy, "constant_"));
  SPINNEY_ASSIGN(std::vector<double> scores, to_doubles(*constant, place(*dummy, "constant_")));
  if (scores.size() != n_outputs)
    return corrupt(place(*dummy, "constant_") + " holds " + std::to_string(scores.size()) +
                   " values for " + std::to_string(n_outputs) + " outputs");
  return scores;
}

Status read_output(const Record& record, size_t n_outputs, bool since_1_4, Output& output) {
  output.value_type = NumberType::kFloat64;
  SPINNEY_ASSIGN(output.objective, text_attribute(record, "loss"));
  if (!record.name.ends_with("Classifier")) return {};
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  output.labels.emplace_back();
  SPINNEY_ASSIGN(output.labels[0], to_labels(*classes, place(record, "classes_")));
  const size_t n_classes = output.labels[0].size();
  if (n_classes < 2 || n_outputs != (n_classes == 2 ? 1 : n_classes))
    return corrupt(place(record, "estimators_") + " holds " + std::to_string(n_outputs) +
                   " trees an iteration for " + std::to_string(n_classes) + " classes");
  output.has_probabilities = true;
  output.task = n_classes == 2 ? Task::kBinary : Task::kMulticlass;
  if (n_classes > 2) {
    output.link = {.kind = LinkKind::kPairwiseSoftmax};
    output.decision = Decision::kArgmax;
    output.decision_on_raw = since_1_4;
    return {};
  }
  output.link = {.kind = LinkKind::kExpit,
                 .parameter = output.objective == "exponential" ? 2.0 : 1.0};
  output.decision = since_1_4 ? Decision::kThresholdInclusive : Decision::kArgmax;
  output.decision_on_raw = since_1_4;
  output.threshold = since_1_4 ? 0 : 0.5;
  return {};
}

// The trees of estimators_, an object array of (iterations, outputs), in the order of the sum.
Status append_trees(const Record& record, const NdArray& estimators, double learning_rate,
                    ForestParts& parts) {
  std::vector<SklearnTree> trees;
  for (size_t t = 0; t < estimators.size(); ++t) {
    const Value& member = (*estimators.objects)[storage_index(estimators, t)];
    if (!member.record())
      return corrupt(place(record, "estimators_") + " holds " + member.what() + ", not a tree");
    SPINNEY_ASSIGN(SklearnTree tree, SklearnTree::read(*member.record(), t));
    if (tree.n_features() != parts.settings.n_features || tree.n_outputs() != 1 ||
        tree.classes_max() != 1)
      return corrupt(record.full_name() + ": tree " + std::to_string(t) +
                     " has another shape than the model");
    trees.push_back(tree);
  }
  reserve_trees(trees, parts);
  for (size_t t = 0; t < trees.size(); ++t) {
    const SklearnTree& tree = trees[t];
    const auto target = static_cast<uint32_t>(t % parts.settings.n_outputs);
    SPINNEY_TRY(append_tree(tree, target, parts, [&](size_t node, std::vector<double>& out) {
      out.push_back(learning_rate * tree.value(node, 0));
    }));
  }
  // These objects compare without asking for NaN, which therefore goes right.
  for (Node& node : parts.nodes) node.flags &= static_cast<uint8_t>(~Node::kDefaultLeft);
  return {};
}

}  // namespace

Result<DescriptionParts> describe_sklearn_boosting(const Record& record,
                                                   DescribeContext& /*context*/) {
  DescriptionParts description;
  ForestParts parts;
  ForestSettings& s = parts.settings;
  SPINNEY_TRY(read_sklearn_common(record, description, s.n_features));
  SPINNEY_ASSIGN(const NdArray* const estimators, array_attribute(record, "estimators_"));
  if (!estimators->objects || estimators->shape.size() != 2 || estimators->size() == 0)
    return corrupt(place(record, "estimators_") + " is not a table of trees");
  SPINNEY_ASSIGN(const double learning_rate, number_attribute(record, "learning_rate"));
  const bool since_1_4 = record.find("n_trees_per_iteration_") != nullptr;
  s.comparison = Comparison::kLessEqual;
  s.accumulator = NumberType::kFloat64;
  s.n_outputs = static_cast<uint32_t>(estimators->shape[1]);
  s.leaf_width = 1;
  SPINNEY_TRY(read_output(record, s.n_outputs, since_1_4, description.output));
  SPINNEY_ASSIGN(parts.base, initial_scores(record, description.output, s.n_outputs, since_1_4));
  SPINNEY_TRY(append_trees(record, *estimators, learning_rate, parts));
  description.refuses_infinity = true;
  description.refuses_missing = true;
  SPINNEY_ASSIGN(description.scorer, make_forest(std::move(parts)));
  return description;
}

}  // namespace spinney::load
