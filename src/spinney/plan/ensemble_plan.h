// The plan of an ensemble whose members are whole models: each member's plan and link, run over a
// chunk of rows at a time, and their answers added in the members' order.
#pragma once

#include "spinney/plan/plan.h"

namespace spinney::plan {

// model->scorer is an Ensemble as make_ensemble() accepts it.
Result<std::shared_ptr<const Plan>> make_ensemble_plan(std::shared_ptr<const Description> model,
                                                       Allowance& allowance);

}  // namespace spinney::plan
