// AdaBoostClassifier (SAMME, and SAMME.R of scikit-learn up to 1.5) and AdaBoostRegressor.
#include <algorithm>
#include <cmath>
#include <limits>

#include "spinney/base/version.h"
#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/members.h"
#include "spinney/load/sklearn/nodes.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/model/pairwise_sum.h"

namespace spinney::load {
namespace {

Result<std::vector<double>> read_weights(const Record& record, size_t n_members) {
  SPINNEY_ASSIGN(const Value* const value, attribute(record, "estimator_weights_"));
  SPINNEY_ASSIGN(std::vector<double> weights,
                 to_doubles(*value, place(record, "estimator_weights_")));
  if (weights.size() < n_members)
    return corrupt(place(record, "estimator_weights_") + " holds " +
                   std::to_string(weights.size()) + " weights for " + std::to_string(n_members) +
                   " estimators");
  return weights;
}

size_t ensemble_class(const Member& member, size_t own) {
  return member.classes.empty() ? own : member.classes[own];
}

// Up to scikit-learn 1.3.0 the classes that a member does not vote for got nothing: scores of many
// classes are other ones, those of two are half of what they are today.
bool only_adds_votes(const Record& record) {
  const Value* const version = record.find("_sklearn_version");
  const auto known = parse_version(version ? version->string().value_or("") : "");
  return known && (known->before(1, 3) || (known->before(1, 4) && known->patch == 0));
}

// The class that a leaf predicts gets the weight, the others their share of its opposite. Two
// classes have one score, twice the second class's, since the first's is its opposite.
void write_vote(const Member& member, std::span<const double> own, size_t n_classes, double weight,
                bool only_votes, std::vector<double>& out) {
  const auto largest = static_cast<size_t>(std::max_element(own.begin(), own.end()) - own.begin());
  const size_t voted = ensemble_class(member, largest);
  if (n_classes == 2) {
    const double score = only_votes ? weight : 2 * weight;
    out.push_back(voted == 1 ? score : -score);
    return;
  }
  const double others = only_votes ? 0.0 : -1.0 / static_cast<double>(n_classes - 1) * weight;
  for (size_t c = 0; c < n_classes; ++c) out.push_back(c == voted ? weight : others);
}

// SAMME.R: a leaf's log-probabilities, centred.
void write_log_probabilities(std::span<const double> own, std::vector<double>& out) {
  const auto n = static_cast<double>(own.size());
  std::vector<double> logs;
  for (const double p : own)
    logs.push_back(std::log(std::max(p, std::numeric_limits<double>::epsilon())));
  const double sum = pairwise_sum(logs.data(), logs.size());
  for (double& value : logs) value = (n - 1.0) * (value - (1.0 / n) * sum);
  if (logs.size() == 2)
    out.push_back(logs[1] - logs[0]);
  else
    out.insert(out.end(), logs.begin(), logs.end());
}

Result<bool> is_real_valued(const Record& record) {
  const Value* value = optional_attribute(record, "algorithm");
  const auto name = value ? value->string() : std::nullopt;
  if (!name || *name == "SAMME" || *name == "deprecated") return false;
  if (*name == "SAMME.R") return true;
  return unsupported(place(record, "algorithm") + " is " + std::string(*name) +
                     ", which is neither SAMME nor SAMME.R");
}

Status boost_trees(const Record& record, const std::vector<Member>& members,
                   const std::vector<double>& weights, double total,
                   DescriptionParts& description) {
  const size_t n_classes = description.output.labels[0].size();
  ForestSettings settings;
  settings.n_features = members[0].model->n_features();
  settings.n_outputs = n_classes == 2 ? 1 : static_cast<uint32_t>(n_classes);
  settings.divisor = total;
  SPINNEY_ASSIGN(const bool real, is_real_valued(record));
  for (const Member& member : members)
    if (real && !member.classes.empty())
      return corrupt(record.full_name() + ": SAMME.R needs every class in every member");
  const bool only_votes = only_adds_votes(record);
  const LeafWriter write = [&](const Member& member, std::span<const double> own,
                               std::vector<double>& out) {
    if (real) return write_log_probabilities(own, out);
    const double weight = weights[static_cast<size_t>(&member - members.data())];
    write_vote(member, own, n_classes, weight, only_votes, out);
  };
  SPINNEY_ASSIGN(description.scorer, join_trees(members, settings, {}, write));
  return {};
}

// Trained on a single class it asks no member: the score is 0, the probability 1.
Status always_the_class(uint32_t n_features, DescriptionParts& description) {
  ForestParts parts;
  parts.settings.n_features = n_features;
  parts.settings.comparison = Comparison::kLessEqual;
  parts.settings.accumulator = NumberType::kFloat64;
  parts.base = {0};
  parts.nodes = {Node::leaf(0, 0)};
  parts.leaf_values = {0};
  parts.tree_begin = {0, 1};
  parts.tree_target = {0};
  SPINNEY_ASSIGN(description.scorer, make_forest(std::move(parts)));
  Output& output = description.output;
  output.task = Task::kMulticlass;
  output.objective = "samme";
  output.link.kind = LinkKind::kNormalize;  // of a sum of 0: equal shares
  output.value_type = NumberType::kFloat64;
  output.decision = Decision::kArgmax;
  output.has_probabilities = true;
  description.refuses_infinity = description.refuses_missing = true;
  return {};
}

}  // namespace

Result<DescriptionParts> describe_sklearn_adaboost_classifier(const Record& record,
                                                              DescribeContext& context) {
  DescriptionParts description;
  uint32_t n_features = 0;
  SPINNEY_TRY(read_sklearn_common(record, description, n_features));
  SPINNEY_ASSIGN(std::vector<Member> members, read_members(record, n_features, context));
  SPINNEY_ASSIGN(const std::vector<double> weights, read_weights(record, members.size()));
  const double total = pairwise_sum(weights.data(), weights.size());
  Output& output = description.output;
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  output.labels.emplace_back();
  SPINNEY_ASSIGN(output.labels[0], to_labels(*classes, place(record, "classes_")));
  const size_t n_classes = output.labels[0].size();
  if (n_classes == 1) {
    SPINNEY_TRY(always_the_class(n_features, description));
    return description;
  }
  SPINNEY_TRY(place_classes(members, &output.labels[0], n_classes));
  output.task = n_classes == 2 ? Task::kBinary : Task::kMulticlass;
  output.objective = "samme";
  output.link.kind = LinkKind::kSammeProba;
  output.value_type = NumberType::kFloat64;
  output.decision_on_raw = true;
  output.decision = n_classes == 2 ? Decision::kThreshold : Decision::kArgmax;
  output.threshold = 0;
  output.has_probabilities = true;
  description.refuses_infinity = description.refuses_missing = true;
  if (are_trees(members)) {
    SPINNEY_TRY(boost_trees(record, members, weights, total, description));
    return description;
  }
  SPINNEY_ASSIGN(const bool real, is_real_valued(record));
  if (real)
    return unsupported(record.full_name() + " with SAMME.R is read only over decision trees; " +
                       "train it with algorithm=\"SAMME\"");
  Ensemble ensemble;
  ensemble.combination = Combination::kSamme;
  ensemble.n_features = n_features;
  ensemble.n_outputs = n_classes == 2 ? 1 : static_cast<uint32_t>(n_classes);
  ensemble.divisor = total;
  const bool only_votes = only_adds_votes(record);
  if (only_votes && n_classes > 2) ensemble.combination = Combination::kMajorityVote;
  const double share = only_votes && n_classes == 2 ? 0.5 : 1;
  for (size_t m = 0; m < members.size(); ++m) members[m].weight = share * weights[m];
  ensemble.members = std::move(members);
  SPINNEY_ASSIGN(description.scorer, make_ensemble(ensemble));
  return description;
}

Result<DescriptionParts> describe_sklearn_adaboost_regressor(const Record& record,
                                                             DescribeContext& context) {
  DescriptionParts description;
  uint32_t n_features = 0;
  SPINNEY_TRY(read_sklearn_common(record, description, n_features));
  SPINNEY_ASSIGN(std::vector<Member> members, read_members(record, n_features, context));
  SPINNEY_ASSIGN(std::vector<double> weights, read_weights(record, members.size()));
  weights.resize(members.size());
  description.output.objective = "adaboost.r2";
  description.output.value_type = common_type(members);
  description.refuses_infinity = description.refuses_missing = true;
  if (are_trees(members)) {
    ForestSettings settings;
    settings.n_features = n_features;
    settings.reduction = Reduction::kWeightedMedian;
    for (const Member& member : members)
      if (member.model->n_outputs() != 1)
        return corrupt(record.full_name() + " has trees of several outputs");
    SPINNEY_ASSIGN(description.scorer,
                   join_trees(members, settings, std::move(weights),
                              [](const Member&, std::span<const double> own,
                                 std::vector<double>& out) { out.push_back(own[0]); }));
    return description;
  }
  Ensemble ensemble;
  ensemble.combination = Combination::kWeightedMedian;
  ensemble.arithmetic = description.output.value_type;
  ensemble.n_features = n_features;
  for (size_t m = 0; m < members.size(); ++m) members[m].weight = weights[m];
  ensemble.members = std::move(members);
  SPINNEY_ASSIGN(description.scorer, make_ensemble(ensemble));
  return description;
}

}  // namespace spinney::load
