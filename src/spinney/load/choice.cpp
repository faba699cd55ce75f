#include "spinney/load/choice.h"

namespace spinney::load {
namespace {

Status refuse_ntrees(const Choice& choice, const char* instead) {
  if (!choice.ntree_start && !choice.ntree_end) return {};
  return invalid_argument(std::string(choice.ntree_start ? "ntree_start" : "ntree_end") +
                          " is CatBoost's; " + instead);
}

}  // namespace

Status check_xgboost_choice(const Choice& choice) {
  if (choice.num_iteration || choice.start_iteration)
    return invalid_argument(
        std::string(choice.num_iteration ? "num_iteration" : "start_iteration") +
        " is LightGBM's; for a model of XGBoost give iteration_range=(first, last + 1)");
  SPINNEY_TRY(
      refuse_ntrees(choice, "for a model of XGBoost give iteration_range=(first, last + 1)"));
  if (!choice.iteration_range) return {};
  const auto [first, behind] = *choice.iteration_range;
  if (first < 0 || behind < 0 || (behind != 0 && first > behind))
    return invalid_argument("iteration_range is (" + std::to_string(first) + ", " +
                            std::to_string(behind) +
                            "); expected 0 <= first <= second, or a second of 0 for the default");
  return {};
}

Status check_lightgbm_choice(const Choice& choice) {
  SPINNEY_TRY(
      refuse_ntrees(choice, "for a model of LightGBM give num_iteration and start_iteration"));
  if (!choice.iteration_range) return {};
  return invalid_argument(
      "iteration_range is XGBoost's; for a model of LightGBM give num_iteration, and "
      "start_iteration where it does not begin with the first");
}

Status check_catboost_choice(const Choice& choice) {
  const char* name = choice.iteration_range   ? "iteration_range is XGBoost's"
                     : choice.num_iteration   ? "num_iteration is LightGBM's"
                     : choice.start_iteration ? "start_iteration is LightGBM's"
                                              : nullptr;
  if (!name) return {};
  return invalid_argument(std::string(name) +
                          "; for a model of CatBoost give ntree_start and ntree_end");
}

std::string choice_rule(const Choice& choice) {
  std::string rule;
  const auto say = [&rule](const char* name, const std::string& value) {
    if (!rule.empty()) rule += ", ";
    rule.append(name).append(value);
  };
  if (choice.iteration_range) {
    std::string range = std::to_string(choice.iteration_range->first);
    range.append(", ").append(std::to_string(choice.iteration_range->second)).append(")");
    say("iteration_range=(", range);
  }
  if (choice.num_iteration) say("num_iteration=", std::to_string(*choice.num_iteration));
  if (choice.start_iteration) say("start_iteration=", std::to_string(*choice.start_iteration));
  if (choice.ntree_start) say("ntree_start=", std::to_string(*choice.ntree_start));
  if (choice.ntree_end) say("ntree_end=", std::to_string(*choice.ntree_end));
  return rule;
}

Status refuse_choice(const Choice& choice, const std::string& what) {
  if (!choice.any()) return {};
  std::string name = "as_booster";
  if (choice.iteration_range) name = "iteration_range";
  if (choice.start_iteration) name = "start_iteration";
  if (choice.num_iteration) name = "num_iteration";
  if (choice.ntree_end) name = "ntree_end";
  if (choice.ntree_start) name = "ntree_start";
  const char* whose = choice.as_booster && name == "as_booster"
                          ? "goes with scikit-learn wrappers of XGBoost, LightGBM and CatBoost"
                      : name.starts_with("ntree_") ? "goes with models of CatBoost"
                      : choice.iteration_range     ? "goes with models of XGBoost"
                                                   : "goes with models of LightGBM";
  return invalid_argument(name + " " + whose + ", not with " + what);
}

Status refuse_member(const Choice& choice, const std::string& what) {
  if (choice.member.empty()) return {};
  return invalid_argument(
      "member goes with a file that holds several models in a dict, list or archive, not with " +
      what);
}

}  // namespace spinney::load
