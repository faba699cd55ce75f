// The plan of a graph: its models' plans, run step by step over blocks of rows.
#pragma once

#include "spinney/plan/plan.h"

namespace spinney::plan {

// model->scorer is a graph.
Result<std::shared_ptr<const Plan>> make_graph_plan(std::shared_ptr<const Description> model,
                                                    Allowance& allowance);

}  // namespace spinney::plan
