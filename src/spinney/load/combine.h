// Models that were loaded one by one, combined to one graph: what scores their columns together.
#pragma once

#include <memory>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/description.h"

namespace spinney::load {

struct Combining {
  bool votes = false;           // of classifiers the majority instead of mean probabilities
  std::vector<double> weights;  // one a model; empty: all alike
};

// As VotingClassifier and VotingRegressor combine them; labels by their values, columns by their
// names. kUnsupported where no graph has that answer, which says nothing against the models.
Result<Description> combine(const std::vector<std::shared_ptr<const Description>>& models,
                            const Combining& how);

}  // namespace spinney::load
