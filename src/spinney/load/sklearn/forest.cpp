// Single trees and averaged forests.
#include <algorithm>

#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/nodes.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/model/pairwise_sum.h"

namespace spinney::load {
namespace {

constexpr size_t kClassesMax = size_t{1} << 24;  // of all targets

bool is_classifier(const Record& record) { return record.name.ends_with("Classifier"); }

// classes_: one array, or with several outputs a list of them.
Status read_classes(const Record& record, Output& output) {
  SPINNEY_ASSIGN(const int64_t n_outputs, integer_attribute(record, "n_outputs_"));
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  const std::string what = place(record, "classes_");
  if (n_outputs == 1) {
    output.labels.emplace_back();
    SPINNEY_ASSIGN(output.labels[0], to_labels(*classes, what));
  } else {
    if (!classes->list() || static_cast<int64_t>(classes->list()->size()) != n_outputs)
      return corrupt(what + " is not a list of one array for each of the " +
                     std::to_string(n_outputs) + " outputs");
    for (const Value& each : *classes->list()) {
      output.labels.emplace_back();
      SPINNEY_ASSIGN(output.labels.back(), to_labels(each, what));
    }
  }
  size_t most = 0;
  for (const Labels& labels : output.labels) {
    if (labels.size() == 0) return corrupt(what + " is empty");
    most = std::max(most, labels.size());
  }
  output.task = most <= 2 ? Task::kBinary : Task::kMulticlass;
  output.decision = Decision::kArgmax;
  output.has_probabilities = true;
  return {};
}

// NaN is refused by versions and splitters that had no rule for it.
bool allows_missing(const Record& tree_estimator, const SklearnTree& tree) {
  if (!tree.since_1_3()) return false;
  const Value* splitter = tree_estimator.find("splitter");
  const bool random = splitter && splitter->string() == "random";
  return !(random && written_before(tree_estimator, 1, 6));
}

// Writes a classifier's leaf: each output's class fractions.
class FractionWriter {
 public:
  FractionWriter(const SklearnTree& tree, const std::vector<Labels>& labels)
      : tree_(tree), labels_(labels) {}

  void operator()(size_t node, std::vector<double>& out) const {
    for (size_t k = 0; k < labels_.size(); ++k) {
      const size_t n = labels_[k].size();
      const size_t first = out.size();
      for (size_t c = 0; c < n; ++c) out.push_back(tree_.value(node, k * tree_.classes_max() + c));
      if (!tree_.holds_fractions()) normalize(out.data() + first, n);
    }
  }

 private:
  static void normalize(double* counts, size_t n) {
    double sum = pairwise_sum(counts, n);
    if (sum == 0) sum = 1;
    for (size_t c = 0; c < n; ++c) counts[c] /= sum;
  }

  const SklearnTree& tree_;
  const std::vector<Labels>& labels_;
};

Status check_shape(const Record& record, const SklearnTree& tree, size_t index,
                   const Output& output, const ForestSettings& settings) {
  const std::string name = record.full_name() + ": tree " + std::to_string(index);
  if (tree.n_features() != settings.n_features)
    return corrupt(name + " has " + std::to_string(tree.n_features()) + " features of " +
                   std::to_string(settings.n_features));
  if (output.labels.empty()) {
    if (tree.n_outputs() != settings.n_outputs || tree.classes_max() < 1)
      return corrupt(name + " has " + std::to_string(tree.n_outputs()) + " outputs of " +
                     std::to_string(settings.n_outputs));
    return {};
  }
  if (tree.n_outputs() != output.labels.size())
    return corrupt(name + " has " + std::to_string(tree.n_outputs()) + " outputs of " +
                   std::to_string(output.labels.size()));
  for (const Labels& labels : output.labels)
    if (labels.size() > tree.classes_max())
      return corrupt(name + " has values for " + std::to_string(tree.classes_max()) +
                     " classes of " + std::to_string(labels.size()));
  return {};
}

Result<DescriptionParts> describe(const Record& record,
                                  const std::vector<const Record*>& estimators, bool averaged) {
  DescriptionParts description;
  ForestParts parts;
  ForestSettings& s = parts.settings;
  SPINNEY_TRY(read_sklearn_common(record, description, s.n_features));
  s.comparison = Comparison::kLessEqual;
  s.accumulator = NumberType::kFloat64;
  Output& output = description.output;
  output.value_type = NumberType::kFloat64;
  SPINNEY_ASSIGN(output.objective, text_attribute(record, "criterion"));
  if (is_classifier(record)) {
    SPINNEY_TRY(read_classes(record, output));
    size_t n_classes = 0;
    for (const Labels& labels : output.labels) n_classes += labels.size();
    if (n_classes > kClassesMax)
      return too_large(record.full_name() + " has " + std::to_string(n_classes) + " classes, and " +
                       std::to_string(kClassesMax) + " are the most");
    s.n_outputs = static_cast<uint32_t>(n_classes);
  } else {
    SPINNEY_ASSIGN(s.n_outputs, count_attribute(record, "n_outputs_"));
  }
  s.leaf_width = s.n_outputs;
  SPINNEY_TRY(spend(record.full_name(), s.n_outputs, sizeof(double)));
  // A lone tree gives its leaf as it is, and -0.0 + x is x for every x; a forest starts from zeros.
  parts.base.assign(s.n_outputs, averaged ? 0.0 : -0.0);
  if (averaged) s.divisor = static_cast<double>(estimators.size());

  std::vector<SklearnTree> trees;
  trees.reserve(estimators.size());
  for (size_t t = 0; t < estimators.size(); ++t) {
    SPINNEY_ASSIGN(SklearnTree tree, SklearnTree::read(*estimators[t], t));
    SPINNEY_TRY(check_shape(record, tree, t, output, s));
    trees.push_back(tree);
  }
  reserve_trees(trees, parts);
  for (const SklearnTree& tree : trees) {
    if (!output.labels.empty()) {
      SPINNEY_TRY(append_tree(tree, 0, parts, FractionWriter(tree, output.labels)));
      continue;
    }
    SPINNEY_TRY(append_tree(tree, 0, parts, [&](size_t node, std::vector<double>& out) {
      for (size_t k = 0; k < tree.n_outputs(); ++k)
        out.push_back(tree.value(node, k * tree.classes_max()));
    }));
  }
  description.refuses_infinity = true;
  description.refuses_missing = !allows_missing(*estimators[0], trees[0]);
  SPINNEY_ASSIGN(description.scorer, make_forest(std::move(parts)));
  return description;
}

}  // namespace

Result<DescriptionParts> describe_sklearn_tree(const Record& record, DescribeContext& /*context*/) {
  return describe(record, {&record}, false);
}

Result<DescriptionParts> describe_sklearn_forest(const Record& record,
                                                 DescribeContext& /*context*/) {
  SPINNEY_ASSIGN(const List* const members, list_attribute(record, "estimators_"));
  if (members->empty()) return corrupt(place(record, "estimators_") + " is empty");
  std::vector<const Record*> estimators;
  for (const Value& member : *members) {
    if (!member.record())
      return corrupt(place(record, "estimators_") + " holds " + member.what() + ", not a tree");
    estimators.push_back(member.record());
  }
  return describe(record, estimators, true);
}

}  // namespace spinney::load
