#include "spinney/load/combine.h"

#include <string>
#include <utility>

#include "spinney/load/sklearn/sklearn.h"

namespace spinney::load {

Result<Description> combine(const std::vector<std::shared_ptr<const Description>>& models,
                            const Combining& how) {
  if (models.empty()) return invalid_argument("there are no models to combine");
  if (!how.weights.empty() && how.weights.size() != models.size())
    return invalid_argument("there are " + std::to_string(how.weights.size()) + " weights for " +
                            std::to_string(models.size()) + " models");
  std::vector<Member> members;
  for (size_t m = 0; m < models.size(); ++m) {
    if (models[m]->category_tables)
      return unsupported("model " + std::to_string(m) + " has categories with counts of their own");
    Member member;
    member.model = models[m];
    if (!how.weights.empty()) member.weight = how.weights[m];
    members.push_back(std::move(member));
  }
  FoldRule rule;
  rule.votes = how.votes;
  rule.weighted = !how.weights.empty();
  rule.columns_by_name = true;
  SPINNEY_ASSIGN(DescriptionParts parts, describe_folds(std::move(members), rule));
  parts.source.format = "ensemble";
  return make_description(std::move(parts));
}

}  // namespace spinney::load
