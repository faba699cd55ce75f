// The categories of data frames' columns, which XGBoost's models remember since 3.1.
#pragma once

#include <vector>

#include "spinney/load/document/document.h"
#include "spinney/model/description.h"

namespace spinney::load::xgboost {

// Fills categories from the "cats" of a gbtree's model, in the order of their codes; leaves it
// empty where the model has none, or where it was trained on codes.
Status read_categories(const Field& model, int64_t n_features,
                       std::vector<ColumnCategories>& categories);

}  // namespace spinney::load::xgboost
