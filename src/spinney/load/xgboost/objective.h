// What each XGBoost objective makes of a margin, and of the base score that a model file holds.
#pragma once

#include <string>
#include <vector>

#include "spinney/base/version.h"
#include "spinney/load/document/document.h"
#include "spinney/model/output.h"

namespace spinney::load::xgboost {

// Fills task, objective and link of an Output of n_outputs scores. An objective that this build
// does not know (a user's own, say) leaves margins as they are, which is what XGBoost does with a
// custom objective; a warning then says so.
Output output_of(const std::string& objective, size_t n_outputs, const Version& version,
                 std::vector<std::string>& warnings);

// The base scores, one per output, in margin space, in float32 by XGBoost's own formulas.
std::vector<double> base_margins(const std::string& objective, std::vector<float> scores,
                                 const Version& version);

}  // namespace spinney::load::xgboost
