// LightGBM's objective string ("binary sigmoid:1", "multiclass num_class:3") as an Output.
#pragma once

#include <string_view>

#include "spinney/base/result.h"
#include "spinney/model/output.h"

namespace spinney::load::lightgbm {

// The output of a Booster: predict gives the values after the link. `text` is empty where the model
// was trained with the user's own objective, whose raw scores LightGBM gives as they are.
Result<Output> parse_objective(std::string_view text, size_t n_outputs);

}  // namespace spinney::load::lightgbm
