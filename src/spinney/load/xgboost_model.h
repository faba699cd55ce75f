// An XGBoost model's fields, JSON or UBJSON alike, become a Description.
#pragma once

#include <cmath>
#include <string>

#include "spinney/load/xgboost_document.h"
#include "spinney/model/description.h"

namespace spinney::load::xgboost {

struct ModelOptions {
  std::string format;  // "json", "ubj", "pickle"
  size_t bytes = 0;    // of the whole text: what declared sizes are held against
  // The scikit-learn wrappers' ways: trees up to the best iteration only, DART weights applied as
  // Booster.inplace_predict does.
  bool is_wrapper = false;
  double missing = std::nan("");  // a float32 that is missing too; NaN: none
};

// root: the object with "learner" and "version", as Booster.save_model writes it. The Description
// is that of a Booster, which predicts the transformed values (over all trees, unless is_wrapper).
Result<Description> describe_booster(const Field& root, const ModelOptions& options);

}  // namespace spinney::load::xgboost
