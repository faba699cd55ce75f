// LightGBM's text format as a Description, whether it stands in a file or inside a pickle.
#pragma once

#include <cstdint>
#include <string_view>

#include "spinney/base/result.h"
#include "spinney/load/choice.h"
#include "spinney/model/description.h"

namespace spinney::load::lightgbm {

// best_iteration: a pickled Booster's, which predict() stops at unless the choice is another; none
// if it is not positive, as LightGBM has it.
Result<DescriptionParts> read_text(std::string_view text, int64_t best_iteration,
                                   const Choice& choice);

}  // namespace spinney::load::lightgbm
