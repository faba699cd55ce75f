// CatBoost's models: .cbm files, JSON, and its objects inside pickles, whose state is a .cbm file.
#pragma once

#include <span>

#include "spinney/base/result.h"
#include "spinney/load/choice.h"
#include "spinney/load/estimator.h"

namespace spinney::load {

// Neither format says which object was saved: the answers are those of the classifier, regressor or
// ranker that trains by the file's loss, and with as_booster of a bare CatBoost, raw scores.
Result<Description> read_catboost_cbm(std::span<const char> bytes, const Choice& choice = {});
Result<Description> read_catboost_json(std::span<const char> bytes, const Choice& choice = {});

// Whether a JSON text begins with a key that CatBoost's models have and XGBoost's have not.
bool is_catboost_json(std::span<const char> bytes);

// CatBoost: raw scores; CatBoostClassifier, CatBoostRegressor, CatBoostRanker: as theirs.
Result<DescriptionParts> describe_catboost(const Record& record, DescribeContext& context);

}  // namespace spinney::load
