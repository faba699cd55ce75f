// Models of one kind that a file holds side by side, such as those of a cross-validation's folds,
// as scikit-learn's VotingClassifier and VotingRegressor would combine them.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "spinney/load/sklearn/members.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/model/pairwise_sum.h"

namespace spinney::load {
namespace {

bool is_classifier(const Description& model) {
  return model.output.labels.size() == 1 && model.output.decision != Decision::kValues;
}

// numpy's dtype of several arrays of texts is the widest one's.
size_t text_width(const std::string& dtype) {
  return dtype.size() > 2 && dtype.size() < 9 ? std::stoul(dtype.substr(2)) : 0;
}

// All labels that members know, in the order that scikit-learn would give them.
Result<Labels> all_labels(const std::vector<Member>& members) {
  Labels labels = members[0].model->output.labels[0];
  for (const Member& member : members) {
    const Labels& own = member.model->output.labels[0];
    if (own.values.index() != labels.values.index() || own.is_bool != labels.is_bool)
      return unsupported("the models' labels are of different types (" + labels.dtype + " and " +
                         own.dtype + ")");
    if (text_width(own.dtype) > text_width(labels.dtype)) labels.dtype = own.dtype;
  }
  std::visit(
      [&](auto& values) {
        using Values = std::decay_t<decltype(values)>;
        std::set<typename Values::value_type> known;
        bool same = true;
        for (const Member& member : members) {
          const auto& own = std::get<Values>(member.model->output.labels[0].values);
          same = same && own == values;
          known.insert(own.begin(), own.end());
        }
        if (!same) values.assign(known.begin(), known.end());
      },
      labels.values);
  return labels;
}

std::string kinds_of(const std::vector<Member>& members) {
  std::set<std::string> kinds;
  for (const Member& member : members) kinds.insert(member.model->source.kind);
  std::string text;
  for (const std::string& kind : kinds) text += (text.empty() ? "" : ", ") + kind;
  return "ensemble of " + std::to_string(members.size()) + " " + text;
}

// The columns of all members, each under its name once; members that see others than these in their
// order get a choice of them.
Status place_columns(std::vector<Member>& members, DescriptionParts& description, uint32_t& width) {
  const Description& first = *members[0].model;
  const bool same = std::all_of(members.begin(), members.end(), [&](const Member& member) {
    return member.model->feature_names == first.feature_names &&
           member.model->n_features() == first.n_features();
  });
  if (same) return {};
  std::map<std::string, uint32_t> places;
  std::vector<std::string> names;
  for (size_t m = 0; m < members.size(); ++m) {
    const Description& model = *members[m].model;
    if (model.feature_names.size() != model.n_features() || !model.categories.empty() ||
        model.category_tables)
      return unsupported(
          "model " + std::to_string(m) + " was trained on other columns than the others, and " +
          (model.feature_names.empty() ? "keeps no names of them" : "has categories"));
    for (const std::string& name : model.feature_names) {
      const auto [place, is_new] = places.try_emplace(name, names.size());
      if (is_new) names.push_back(name);
      members[m].features.push_back(place->second);
    }
  }
  for (Member& member : members) {
    bool all = member.features.size() == names.size();
    for (size_t i = 0; all && i < names.size(); ++i) all = member.features[i] == i;
    if (all) member.features.clear();
  }
  width = static_cast<uint32_t>(names.size());
  description.feature_names = std::move(names);
  return {};
}

Status read_source(const std::vector<Member>& members, FoldRule rule,
                   DescriptionParts& description) {
  const Description& first = *members[0].model;
  description.source = first.source;
  description.source.kind = kinds_of(members);
  description.feature_names = first.feature_names;
  description.categories = first.categories;
  description.categories_by_position = first.categories_by_position;
  for (size_t m = 0; m < members.size(); ++m) {
    const Description& model = *members[m].model;
    if (model.source.library != first.source.library) description.source.library = "several";
    if (model.source.version != first.source.version) description.source.version.clear();
    if (!rule.columns_by_name &&
        (model.n_features() != first.n_features() || model.feature_names != first.feature_names))
      return unsupported("model " + std::to_string(m) +
                         " was trained on other columns than model 0");
    if (is_classifier(model) != is_classifier(first) || model.output.decision == Decision::kOutlier)
      return unsupported(
          "the models are not all classifiers of one set of labels, nor all such "
          "that predict values");
    const auto same = [](const ColumnCategories& a, const ColumnCategories& b) {
      return a.feature == b.feature && a.values == b.values;
    };
    if (!std::equal(model.categories.begin(), model.categories.end(), first.categories.begin(),
                    first.categories.end(), same))
      return unsupported("model " + std::to_string(m) +
                         " was trained on other categories than model 0");
    for (const std::string& warning : model.warnings)
      if (std::find(description.warnings.begin(), description.warnings.end(), warning) ==
          description.warnings.end())
        description.warnings.push_back(warning);
  }
  inherit_refusals(members, description);
  return {};
}

Status combine_classes(std::vector<Member>& members, FoldRule rule, Ensemble& ensemble,
                       Output& output) {
  SPINNEY_ASSIGN(Labels labels, all_labels(members));
  SPINNEY_TRY(place_classes(members, &labels, labels.size()));
  output.has_probabilities =
      !rule.votes && std::all_of(members.begin(), members.end(), [](const Member& member) {
        return member.model->output.has_probabilities;
      });
  output.task = labels.size() <= 2 ? Task::kBinary : Task::kMulticlass;
  output.decision = Decision::kArgmax;
  output.objective = output.has_probabilities ? "soft" : "hard";
  ensemble.combination =
      output.has_probabilities ? Combination::kMeanProbability : Combination::kMajorityVote;
  ensemble.n_outputs = static_cast<uint32_t>(labels.size());
  output.labels = {std::move(labels)};
  return {};
}

}  // namespace

Result<DescriptionParts> describe_folds(std::vector<Member> members, FoldRule rule) {
  DescriptionParts description;
  SPINNEY_TRY(read_source(members, rule, description));
  const Description& first = *members[0].model;
  Ensemble ensemble;
  ensemble.n_features = static_cast<uint32_t>(first.n_features());
  if (rule.columns_by_name) SPINNEY_TRY(place_columns(members, description, ensemble.n_features));
  std::vector<double> weights;
  for (const Member& member : members) weights.push_back(member.weight);
  ensemble.divisor = rule.weighted ? pairwise_sum(weights.data(), weights.size())
                                   : static_cast<double>(members.size());
  // numpy's average in given weights, which are of float64, is of float64 too.
  ensemble.arithmetic = rule.weighted ? NumberType::kFloat64 : common_type(members);
  if (is_classifier(first)) {
    SPINNEY_TRY(combine_classes(members, rule, ensemble, description.output));
    if (ensemble.combination == Combination::kMajorityVote) {
      ensemble.arithmetic = NumberType::kFloat64;
      ensemble.divisor = 1;
    }
  } else {
    if (rule.votes) return unsupported("the models predict values, for which there is no vote");
    ensemble.combination = Combination::kMeanValue;
    ensemble.n_outputs = static_cast<uint32_t>(value_columns(first.output, first.n_outputs()));
    description.output.task = first.output.task;
    description.output.objective = "mean";
    description.output.keep_column_axis = first.output.keep_column_axis;
  }
  description.output.value_type = ensemble.arithmetic;
  ensemble.members = std::move(members);
  SPINNEY_ASSIGN(description.scorer, make_ensemble(ensemble));
  return description;
}

}  // namespace spinney::load
