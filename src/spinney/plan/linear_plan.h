// The plan of a linear model: weighted sums that are the same for every row, however rows are
// grouped into calls.
#pragma once

#include "spinney/plan/plan.h"

namespace spinney::plan {

// model->scorer is a Linear.
Result<std::shared_ptr<const Plan>> make_linear_plan(std::shared_ptr<const Description> model);
// Of one with skip_missing: gblinear's own sums.
std::shared_ptr<const Plan> make_gblinear_plan(const Linear& linear);

}  // namespace spinney::plan
