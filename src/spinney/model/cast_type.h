// What numbers of other types than float32 and float64 are converted to before a model sees them.
#pragma once

#include "spinney/model/description.h"

namespace spinney {

// XGBoost and scikit-learn convert any number type straight to the one they compare in. LightGBM
// turns every array that is not float32 or float64 into float32 first.
inline NumberType cast_type(const Description& model) {
  if (model.source.library == "lightgbm") return NumberType::kFloat32;
  if (const auto* forest = std::get_if<Forest>(&model.scorer)) return forest->settings().input;
  if (const auto* linear = std::get_if<Linear>(&model.scorer); linear && linear->skip_missing)
    return linear->arithmetic;
  return NumberType::kFloat64;
}

}  // namespace spinney
