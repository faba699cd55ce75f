// LightGBM's text format as a Description, whether it stands in a file or inside a pickle.
#pragma once

#include <cstdint>
#include <string_view>

#include "spinney/base/result.h"
#include "spinney/model/description.h"

namespace spinney::load::lightgbm {

// iterations_max: how many iterations predict() uses (a pickled Booster's best_iteration); all of
// them if it is not positive, as LightGBM has it.
Result<Description> read_text(std::string_view text, int64_t iterations_max);

}  // namespace spinney::load::lightgbm
