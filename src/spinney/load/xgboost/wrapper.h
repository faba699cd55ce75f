// XGBoost's scikit-learn wrappers: what they add to the Booster that they hold, whether a pickle
// says it or the attribute that their save_model leaves in the file.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "spinney/load/document/document.h"
#include "spinney/model/description.h"

namespace spinney::load::xgboost {

struct Wrapper {
  std::string kind;               // its class: "XGBClassifier"
  double missing = std::nan("");  // `missing=`, rounded to float32 as XGBoost does; NaN: no other
  int64_t best_ntree_limit = 0;   // the attribute that counts before 1.4; 0: all trees
  bool names_predictor = false;   // `predictor=` was given (until 1.7), so that it takes a DMatrix
  // Classifiers. 0: not said; it follows from the Booster then, as load_model has it since 2.0.
  uint32_t n_classes = 0;
  std::optional<Labels> labels;  // those that it had numbered, until 1.5

  bool is_classifier() const { return kind.ends_with("Classifier"); }
  bool is_ranker() const { return kind.ends_with("Ranker"); }
};

// The wrapper whose save_model left this attribute, "scikit_learn".
Result<Wrapper> read_saved_wrapper(const Field& attribute);

// Makes the Description of a Booster that of the wrapper around it: its class and labels.
Status dress_as_wrapper(const Wrapper& wrapper, DescriptionParts& model);

}  // namespace spinney::load::xgboost
