// LightGBM's Booster and its scikit-learn wrappers, out of pickles. The trees are LightGBM's own
// text, held as a string in the Booster's state.
#pragma once

#include "spinney/load/estimator.h"

namespace spinney::load {

// lightgbm.basic.Booster: stops at its best_iteration, as its predict() does.
Result<DescriptionParts> describe_lightgbm_booster(const Record& record, DescribeContext& context);
// LGBMModel, LGBMRegressor, LGBMRanker, LGBMClassifier.
Result<DescriptionParts> describe_lightgbm_wrapper(const Record& record, DescribeContext& context);

}  // namespace spinney::load
