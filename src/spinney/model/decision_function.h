// Whether an object of scikit-learn has a decision_function, and where it is found.
#pragma once

#include <cstdint>

namespace spinney {

class Description;

enum class DecisionFunction : uint8_t {
  kNone,      // the object has none
  kRaw,       // it is the raw scores
  kSamples,   // score_samples less the threshold (IsolationForest)
  kElsewhere  // it is the mean of its members' own, which nothing here computes (Bagging)
};

DecisionFunction decision_function_of(const Description& model);

}  // namespace spinney
