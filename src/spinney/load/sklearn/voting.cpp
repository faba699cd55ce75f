// Bagging* and Voting*: averages of members' probabilities or values, and votes.
#include <algorithm>

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/members.h"
#include "spinney/load/sklearn/nodes.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/model/pairwise_sum.h"

namespace spinney::load {
namespace {

Status read_labels(const Record& record, Output& output) {
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  output.labels.emplace_back();
  SPINNEY_ASSIGN(output.labels[0], to_labels(*classes, place(record, "classes_")));
  if (output.labels[0].size() == 0) return corrupt(place(record, "classes_") + " is empty");
  output.task = output.labels[0].size() <= 2 ? Task::kBinary : Task::kMulticlass;
  output.decision = Decision::kArgmax;
  return {};
}

bool have_probabilities(const std::vector<Member>& members) {
  return std::all_of(members.begin(), members.end(),
                     [](const Member& member) { return member.model->output.has_probabilities; });
}

// A Bagging of trees as one forest, whose sums and division are the library's own.
Status bag_trees(const std::vector<Member>& members, ForestSettings settings, bool classifier,
                 DescriptionParts& description) {
  settings.divisor = static_cast<double>(members.size());
  const uint32_t width = settings.n_outputs;
  for (const Member& member : members)
    if (!classifier && member.model->n_outputs() != width)
      return corrupt("the trees of the ensemble have different numbers of outputs");
  const LeafWriter write = [width](const Member& member, std::span<const double> own,
                                   std::vector<double>& out) {
    const size_t first = out.size();
    out.resize(first + width, 0.0);
    for (size_t i = 0; i < own.size(); ++i)
      out[first + (member.classes.empty() ? i : member.classes[i])] = own[i];
  };
  SPINNEY_ASSIGN(description.scorer, join_trees(members, settings, {}, write));
  return {};
}

// `weights` without those of dropped estimators. All ones where there are none.
struct Weights {
  std::vector<double> values;
  bool given = false;
  bool single_precision = false;
};

Result<Weights> read_weights(const Record& record, size_t n_members) {
  Weights weights;
  weights.values.assign(n_members, 1.0);
  const Value* value = optional_attribute(record, "weights");
  if (!value) return weights;
  SPINNEY_ASSIGN(const std::vector<double> all, to_doubles(*value, place(record, "weights")));
  SPINNEY_ASSIGN(const List* const named, list_attribute(record, "estimators"));
  if (named->size() != all.size())
    return corrupt(place(record, "weights") + " and its estimators differ in number");
  weights.values.clear();
  for (size_t i = 0; i < all.size(); ++i) {
    const List* pair = (*named)[i].list();
    if (!pair || pair->size() != 2)
      return corrupt(place(record, "estimators") + " does not hold pairs of name and estimator");
    if ((*pair)[1].string() != "drop") weights.values.push_back(all[i]);
  }
  if (weights.values.size() != n_members)
    return corrupt(place(record, "weights") + " does not match the estimators that are left");
  weights.given = true;
  weights.single_precision = value->array() && value->array()->dtype.text == "<f4";
  return weights;
}

// Voting takes its number of features from its first member.
Result<std::vector<Member>> start_voting(const Record& record, DescribeContext& context,
                                         DescriptionParts& description) {
  SPINNEY_TRY(read_sklearn_source(record, description));
  SPINNEY_ASSIGN(std::vector<Member> members, read_members(record, 0, context));
  SPINNEY_TRY(read_feature_names(record, members[0].model->n_features(), description));
  return members;
}

Result<DescriptionParts> finish_voting(const Record& record, Combination combination,
                                       std::vector<Member> members, DescriptionParts description) {
  SPINNEY_ASSIGN(const Weights weights, read_weights(record, members.size()));
  Ensemble ensemble;
  ensemble.combination = combination;
  ensemble.n_features = members[0].model->n_features();
  const bool classifier = !description.output.labels.empty();
  ensemble.n_outputs = classifier ? static_cast<uint32_t>(description.output.labels[0].size()) : 1;
  const bool votes = combination == Combination::kMajorityVote;
  if (!votes && (!weights.given || weights.single_precision))
    ensemble.arithmetic = common_type(members);
  if (!votes) ensemble.divisor = pairwise_sum(weights.values.data(), weights.values.size());
  for (size_t m = 0; m < members.size(); ++m) members[m].weight = weights.values[m];
  description.output.value_type = ensemble.arithmetic;
  ensemble.members = std::move(members);
  SPINNEY_ASSIGN(description.scorer, make_ensemble(ensemble));
  return description;
}

}  // namespace

Result<DescriptionParts> describe_sklearn_bagging_classifier(const Record& record,
                                                             DescribeContext& context) {
  DescriptionParts description;
  uint32_t n_features = 0;
  SPINNEY_TRY(read_sklearn_common(record, description, n_features));
  SPINNEY_TRY(read_labels(record, description.output));
  SPINNEY_ASSIGN(std::vector<Member> members, read_members(record, n_features, context));
  const size_t n_classes = description.output.labels[0].size();
  SPINNEY_TRY(place_classes(members, nullptr, n_classes));
  Output& output = description.output;
  output.objective = "mean";
  output.value_type = NumberType::kFloat64;
  output.has_probabilities = true;
  if (are_trees(members)) {
    inherit_refusals(members, description);
    ForestSettings settings;
    settings.n_features = n_features;
    settings.n_outputs = static_cast<uint32_t>(n_classes);
    SPINNEY_TRY(bag_trees(members, settings, true, description));
    return description;
  }
  Ensemble ensemble;
  ensemble.combination =
      have_probabilities(members) ? Combination::kMeanProbability : Combination::kMajorityVote;
  ensemble.n_features = n_features;
  ensemble.n_outputs = static_cast<uint32_t>(n_classes);
  ensemble.divisor = static_cast<double>(members.size());
  ensemble.members = std::move(members);
  SPINNEY_ASSIGN(description.scorer, make_ensemble(ensemble));
  return description;
}

Result<DescriptionParts> describe_sklearn_bagging_regressor(const Record& record,
                                                            DescribeContext& context) {
  DescriptionParts description;
  uint32_t n_features = 0;
  SPINNEY_TRY(read_sklearn_common(record, description, n_features));
  SPINNEY_ASSIGN(std::vector<Member> members, read_members(record, n_features, context));
  description.output.objective = "mean";
  description.output.value_type = common_type(members);
  const uint32_t n_outputs = members[0].model->n_outputs();
  if (are_trees(members)) {
    inherit_refusals(members, description);
    ForestSettings settings;
    settings.n_features = n_features;
    settings.n_outputs = n_outputs;
    SPINNEY_TRY(bag_trees(members, settings, false, description));
    return description;
  }
  Ensemble ensemble;
  ensemble.combination = Combination::kMeanValue;
  ensemble.arithmetic = description.output.value_type;
  ensemble.n_features = n_features;
  ensemble.n_outputs = n_outputs;
  ensemble.divisor = static_cast<double>(members.size());
  ensemble.members = std::move(members);
  SPINNEY_ASSIGN(description.scorer, make_ensemble(ensemble));
  return description;
}

Result<DescriptionParts> describe_sklearn_voting_classifier(const Record& record,
                                                            DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_ASSIGN(std::vector<Member> members, start_voting(record, context, description));
  SPINNEY_TRY(read_labels(record, description.output));
  SPINNEY_TRY(place_classes(members, nullptr, description.output.labels[0].size()));
  SPINNEY_ASSIGN(const std::string voting, text_attribute(record, "voting"));
  description.output.objective = voting;
  description.output.has_probabilities = voting == "soft";
  const Combination combination =
      voting == "soft" ? Combination::kMeanProbability : Combination::kMajorityVote;
  return finish_voting(record, combination, std::move(members), std::move(description));
}

Result<DescriptionParts> describe_sklearn_voting_regressor(const Record& record,
                                                           DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_ASSIGN(std::vector<Member> members, start_voting(record, context, description));
  description.output.objective = "mean";
  return finish_voting(record, Combination::kMeanValue, std::move(members), std::move(description));
}

}  // namespace spinney::load
