#include "spinney/model/ensemble.h"

#include <string>

namespace spinney {
namespace {

AnswerOf answer_for(Combination combination) {
  switch (combination) {
    case Combination::kMeanProbability:
      return AnswerOf::kProbabilities;
    case Combination::kMajorityVote:
    case Combination::kSamme:
      return AnswerOf::kClasses;
    default:
      return AnswerOf::kValues;
  }
}

Result<uint32_t> add_member(const Member& member, AnswerOf answer, GraphBuilder& builder) {
  ScoreNode score{0, answer, member.model};
  if (!member.features.empty()) {
    SPINNEY_ASSIGN(score.from, builder.add(SelectNode{0, member.features}));
  }
  return builder.add(std::move(score));
}

}  // namespace

Result<GraphPtr> make_ensemble(const Ensemble& parts) {
  GraphBuilder builder;
  SPINNEY_TRY(builder.add(InputNode{parts.n_features}));
  CombineNode combine{parts.combination, parts.arithmetic, parts.n_outputs, parts.divisor, {}};
  const AnswerOf answer = answer_for(parts.combination);
  for (size_t m = 0; m < parts.members.size(); ++m) {
    const Member& member = parts.members[m];
    const Result<uint32_t> node = add_member(member, answer, builder);
    if (!node.ok())
      return Error{node.error().code, "ensemble member " + std::to_string(m) + " of " +
                                          std::to_string(parts.members.size()) + ": " +
                                          node.error().message};
    combine.parts.push_back({*node, member.classes, member.weight});
  }
  SPINNEY_ASSIGN(const uint32_t scores, builder.add(std::move(combine)));
  return std::move(builder).finish({scores});
}

}  // namespace spinney
