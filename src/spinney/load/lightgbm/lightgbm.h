// LightGBM's models: its text format, and its objects inside pickles, whose trees are that text,
// held as a string in the Booster's state.
#pragma once

#include <span>

#include "spinney/base/result.h"
#include "spinney/load/choice.h"
#include "spinney/load/estimator.h"

namespace spinney::load {

Result<Description> read_lightgbm_text(std::span<const char> bytes, const Choice& choice = {});

// lightgbm.basic.Booster: stops at its best_iteration, as its predict() does.
Result<DescriptionParts> describe_lightgbm_booster(const Record& record, DescribeContext& context);
// LGBMModel, LGBMRegressor, LGBMRanker, LGBMClassifier.
Result<DescriptionParts> describe_lightgbm_wrapper(const Record& record, DescribeContext& context);

}  // namespace spinney::load
