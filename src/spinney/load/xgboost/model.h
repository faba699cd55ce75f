// An XGBoost model's fields, JSON or UBJSON alike, become a Description.
#pragma once

#include <optional>
#include <string>

#include "spinney/load/choice.h"
#include "spinney/load/document/document.h"
#include "spinney/load/xgboost/wrapper.h"
#include "spinney/model/description.h"

namespace spinney::load::xgboost {

struct ModelOptions {
  std::string format;  // "json", "ubj", "binary", "pickle"
  size_t bytes = 0;    // of the whole text: what declared sizes are held against
  Choice choice;
  std::optional<Wrapper> wrapper;  // around the Booster, unless choice.as_booster
  int64_t parallel_trees = 0;      // num_parallel_tree, if a pickle's Config says it
  bool base_is_margin = false;     // the base score is none to be transformed (until 0.90)
};

// root: the object with "learner" and "version", as Booster.save_model writes it. The Description
// is that of the wrapper, or of a Booster, which predicts the transformed values over all trees.
Result<DescriptionParts> describe_model(const Field& root, ModelOptions options);
// The same of a file, which a wrapper has saved if it left its attribute there.
Result<DescriptionParts> describe_file(const Field& root, ModelOptions options);

}  // namespace spinney::load::xgboost
