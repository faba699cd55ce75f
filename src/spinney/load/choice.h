// Choice: which of the answers that a model file can give is meant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "spinney/base/result.h"

namespace spinney::load {

// Without any of these the object that was saved answers: a scikit-learn wrapper as such, with its
// labels and best iteration; a Booster as such.
struct Choice {
  // The bare Booster inside a wrapper of XGBoost or LightGBM; a bare CatBoost.
  bool as_booster = false;
  // XGBoost's: the trees of iterations first to second - 1. A second of 0 asks for what the object
  // does by itself: a wrapper's best iteration, all of a Booster's from the first on.
  std::optional<std::pair<int64_t, int64_t>> iteration_range;
  // LightGBM's: this many iterations (0 and less: all that are left) from that one on. Without a
  // number the best iteration where there is one and the start is not positive.
  std::optional<int64_t> start_iteration;
  std::optional<int64_t> num_iteration;

  // CatBoost's: trees ntree_start to ntree_end - 1; an end of 0: all from there on. A model's bias
  // comes with its first tree.
  std::optional<int64_t> ntree_start = {};
  std::optional<int64_t> ntree_end = {};
  // Of a file that holds several models: the path of the one that is meant ("model", "models.0"),
  // or "*" for an ensemble of all.
  std::string member = {};

  bool any() const { return as_booster || picks_trees(); }
  bool picks_trees() const {
    return iteration_range || start_iteration || num_iteration || ntree_start || ntree_end;
  }
};

// Errors that name the keyword that is wrong for `what` and the one to give instead.
Status check_xgboost_choice(const Choice& choice);
Status check_lightgbm_choice(const Choice& choice);
Status check_catboost_choice(const Choice& choice);
Status refuse_choice(const Choice& choice, const std::string& what);
// The keywords that pick trees, with their values, as TreesUsed::rule has it.
std::string choice_rule(const Choice& choice);
Status refuse_member(const Choice& choice, const std::string& what);

}  // namespace spinney::load
