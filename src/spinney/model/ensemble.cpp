#include <string>

#include "spinney/model/description.h"

namespace spinney {
namespace {

std::string of(size_t number, size_t total) {
  return std::to_string(number) + " of " + std::to_string(total);
}

bool votes(Combination combination) {
  return combination == Combination::kMajorityVote || combination == Combination::kSamme;
}

bool combines_values(Combination combination) {
  return combination == Combination::kMeanValue || combination == Combination::kWeightedMedian;
}

// Classes that a vote chooses among.
size_t n_classes(const Ensemble& ensemble) {
  if (ensemble.combination == Combination::kSamme && ensemble.n_outputs == 1) return 2;
  return ensemble.n_outputs;
}

// The member's own classes or, for values, columns.
Result<size_t> n_answers(const Ensemble& ensemble, const Description& model) {
  if (combines_values(ensemble.combination)) return value_columns(model.output, model.n_outputs());
  if (ensemble.combination == Combination::kMeanProbability && !model.output.has_probabilities)
    return corrupt("it has no probabilities to take the mean of");
  if (votes(ensemble.combination) && model.output.decision == Decision::kValues)
    return corrupt("it predicts no classes to vote with");
  if (model.output.labels.size() != 1) return corrupt("it does not have one set of classes");
  const size_t classes = model.output.labels[0].size();
  if (ensemble.combination == Combination::kMeanProbability &&
      probability_columns(model.output, model.n_outputs()) != classes)
    return corrupt("it does not have one probability for each of its classes");
  return classes;
}

Status check_member(const Ensemble& ensemble, const Member& member) {
  if (!member.model) return corrupt("it is missing");
  const size_t seen = member.features.empty() ? ensemble.n_features : member.features.size();
  if (seen != member.model->n_features())
    return corrupt("it is given " + std::to_string(seen) + " columns and reads " +
                   std::to_string(member.model->n_features()));
  for (const uint32_t feature : member.features)
    if (feature >= ensemble.n_features)
      return corrupt("it reads column " + of(feature, ensemble.n_features));
  SPINNEY_ASSIGN(const size_t answers, n_answers(ensemble, *member.model));
  const size_t wanted = n_classes(ensemble);
  // A member's values are written side by side, as many as the ensemble has: none can be placed.
  if (combines_values(ensemble.combination) && !member.classes.empty())
    return corrupt("it places " + std::to_string(member.classes.size()) +
                   " classes, and the ensemble combines values");
  if (member.classes.empty() && answers != wanted)
    return corrupt("it has " + std::to_string(answers) +
                   " classes or values where the ensemble has " + std::to_string(wanted));
  if (!member.classes.empty() && member.classes.size() != answers)
    return corrupt("it has " + std::to_string(answers) + " classes, of which " +
                   std::to_string(member.classes.size()) + " are placed");
  for (const uint32_t c : member.classes)
    if (c >= wanted) return corrupt("it votes for class " + of(c, wanted));
  return {};
}

}  // namespace

Status check_ensemble(const Ensemble& ensemble) {
  if (ensemble.n_outputs == 0) return corrupt("the ensemble has no outputs");
  if (ensemble.members.empty()) return corrupt("the ensemble has no members");
  if (ensemble.combination > Combination::kWeightedMedian)
    return corrupt("the ensemble combines its members in an unknown way");
  if (ensemble.arithmetic > NumberType::kFloat64)
    return corrupt("the ensemble adds in an unknown type");
  if (ensemble.combination == Combination::kWeightedMedian && ensemble.n_outputs != 1)
    return corrupt("a weighted median has one output, not " + std::to_string(ensemble.n_outputs));
  for (size_t m = 0; m < ensemble.members.size(); ++m) {
    const Status status = check_member(ensemble, ensemble.members[m]);
    if (!status.ok())
      return corrupt("ensemble member " + of(m, ensemble.members.size()) + ": " +
                     status.error().message);
    if (ensemble.members[m].model->depth() >= kEnsembleDepthMax)
      return too_large("ensembles nest deeper than " + std::to_string(kEnsembleDepthMax));
  }
  return {};
}

Result<Ensemble> make_ensemble(Ensemble parts) {
  SPINNEY_TRY(check_ensemble(parts));
  return parts;
}

}  // namespace spinney
