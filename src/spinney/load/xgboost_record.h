// XGBoost objects inside pickles: a Booster, or a scikit-learn wrapper around one.
#pragma once

#include "spinney/load/estimator.h"

namespace spinney::load {

// XGBClassifier, XGBRegressor, XGBRanker, XGBRFClassifier, XGBRFRegressor: labels or values as the
// wrapper's predict gives them, up to the best iteration, with its `missing=`.
Result<DescriptionParts> describe_xgboost_wrapper(const Record& record, DescribeContext& context);
// Booster: transformed values of all trees.
Result<DescriptionParts> describe_xgboost_booster(const Record& record, DescribeContext& context);

}  // namespace spinney::load
