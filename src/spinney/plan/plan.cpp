#include "spinney/plan/plan.h"

#include "spinney/plan/forest_plan.h"

namespace spinney::plan {

Result<std::shared_ptr<const Plan>> make_plan(std::shared_ptr<const Description> model) {
  if (std::holds_alternative<Forest>(model->scorer)) return make_forest_plan(std::move(model));
  return unsupported("only forests can be run yet");
}

}  // namespace spinney::plan
