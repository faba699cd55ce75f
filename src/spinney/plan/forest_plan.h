// The plan of a forest: its evaluators, the cost model that picks one for a number of rows,
// threads.
#pragma once

#include "spinney/plan/plan.h"

namespace spinney::plan {

// model->scorer is a Forest. kUnsupported if SPINNEY_KERNEL forces a kernel that cannot run it.
Result<std::shared_ptr<const Plan>> make_forest_plan(std::shared_ptr<const Description> model,
                                                     Allowance& allowance);

}  // namespace spinney::plan
