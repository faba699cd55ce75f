// XGBoost's models: files in JSON and UBJSON, and its objects inside pickles.
#pragma once

#include <span>

#include "spinney/base/result.h"
#include "spinney/load/choice.h"
#include "spinney/load/estimator.h"

namespace spinney::load {

Result<Description> read_xgboost_json(std::span<const char> bytes, const Choice& choice = {});
Result<Description> read_xgboost_ubjson(std::span<const char> bytes, const Choice& choice = {});
// The binary format of XGBoost 0.x to 3.0.
Result<Description> read_xgboost_binary(std::span<const char> bytes, const Choice& choice = {});

// XGBClassifier, XGBRegressor, XGBRanker, XGBRFClassifier, XGBRFRegressor: labels or values as the
// wrapper's predict gives them, up to the best iteration, with its `missing=`.
Result<DescriptionParts> describe_xgboost_wrapper(const Record& record, DescribeContext& context);
// Booster: transformed values of all trees.
Result<DescriptionParts> describe_xgboost_booster(const Record& record, DescribeContext& context);

}  // namespace spinney::load
