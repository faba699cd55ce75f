// The "pandas_categorical:" line at the end of LightGBM's text: JSON, one list of categories for
// each column of categorical dtype, or null.
#pragma once

#include <string_view>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/description.h"

namespace spinney::load::lightgbm {

// `json` is what follows the colon. Columns are numbered by their place among categorical ones.
Result<std::vector<ColumnCategories>> parse_categories(std::string_view json);

}  // namespace spinney::load::lightgbm
