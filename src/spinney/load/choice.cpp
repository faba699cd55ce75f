#include "spinney/load/choice.h"

namespace spinney::load {

Status check_xgboost_choice(const Choice& choice) {
  if (choice.num_iteration || choice.start_iteration)
    return invalid_argument(
        std::string(choice.num_iteration ? "num_iteration" : "start_iteration") +
        " is LightGBM's; for a model of XGBoost give iteration_range=(first, last + 1)");
  if (!choice.iteration_range) return {};
  const auto [first, behind] = *choice.iteration_range;
  if (first < 0 || behind < 0 || (behind != 0 && first > behind))
    return invalid_argument("iteration_range is (" + std::to_string(first) + ", " +
                            std::to_string(behind) +
                            "); expected 0 <= first <= second, or a second of 0 for the default");
  return {};
}

Status check_lightgbm_choice(const Choice& choice) {
  if (!choice.iteration_range) return {};
  return invalid_argument(
      "iteration_range is XGBoost's; for a model of LightGBM give num_iteration, and "
      "start_iteration where it does not begin with the first");
}

Status refuse_choice(const Choice& choice, const std::string& what) {
  if (!choice.any()) return {};
  std::string name = "as_booster";
  if (choice.iteration_range) name = "iteration_range";
  if (choice.start_iteration) name = "start_iteration";
  if (choice.num_iteration) name = "num_iteration";
  const char* whose = choice.as_booster && name == "as_booster"
                          ? "goes with scikit-learn wrappers of XGBoost and LightGBM"
                      : choice.iteration_range ? "goes with models of XGBoost"
                                               : "goes with models of LightGBM";
  return invalid_argument(name + " " + whose + ", not with " + what);
}

}  // namespace spinney::load
