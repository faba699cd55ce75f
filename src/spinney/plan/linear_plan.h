// The plan of a linear model: dot products with a summation order that is the same for every row,
// however rows are grouped into calls.
#pragma once

#include "spinney/plan/plan.h"

namespace spinney::plan {

// model->scorer is a Linear.
Result<std::shared_ptr<const Plan>> make_linear_plan(std::shared_ptr<const Description> model);

}  // namespace spinney::plan
