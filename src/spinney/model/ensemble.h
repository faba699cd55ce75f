// Ensemble: what readers of Voting, Bagging and AdaBoost fill in; make_ensemble() makes it a graph.
#pragma once

#include <memory>
#include <vector>

#include "spinney/model/graph.h"

namespace spinney {

struct Member {
  std::shared_ptr<const Description> model;
  std::vector<uint32_t> features;  // the columns it sees; empty: all, in order
  std::vector<uint32_t> classes;   // as CombinedPart::places
  double weight = 1;
};

struct Ensemble {
  Combination combination = Combination::kMeanProbability;
  NumberType arithmetic = NumberType::kFloat64;  // this and the others as in CombineNode
  uint32_t n_features = 0;
  uint32_t n_outputs = 1;
  double divisor = 1;
  std::vector<Member> members;
};

// A node for each selection and each member's answer, and one that combines them. Errors name the
// member that does not fit.
Result<GraphPtr> make_ensemble(const Ensemble& parts);

}  // namespace spinney
