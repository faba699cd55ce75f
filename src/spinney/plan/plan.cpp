#include "spinney/plan/plan.h"

#include <cmath>
#include <string>

#include "spinney/link/link.h"
#include "spinney/plan/coded_plan.h"
#include "spinney/plan/ensemble_plan.h"
#include "spinney/plan/forest_plan.h"
#include "spinney/plan/linear_plan.h"
#include "spinney/plan/missing_plan.h"

namespace spinney::plan {
namespace {

std::shared_ptr<const Plan> with_missing(std::shared_ptr<const Plan> plan, double missing,
                                         const Description& model) {
  if (std::isnan(missing)) return plan;
  return make_missing_plan(std::move(plan), missing, model.n_outputs(), model.score_type());
}

}  // namespace

Result<std::shared_ptr<const Plan>> make_plan(std::shared_ptr<const Description> model) {
  SPINNEY_TRY(link::check(model->output, model->n_outputs()));
  for (const NumberCodes& codes : model->number_codes)
    if (codes.feature >= model->n_features())
      return corrupt("the model encodes column " + std::to_string(codes.feature) + " of " +
                     std::to_string(model->n_features()));
  if (const auto* linear = std::get_if<Linear>(&model->scorer)) {
    SPINNEY_ASSIGN(auto plan, make_linear_plan(model));
    return with_missing(std::move(plan), linear->missing_value, *model);
  }
  if (std::holds_alternative<Ensemble>(model->scorer)) return make_ensemble_plan(std::move(model));
  const double missing = std::get<Forest>(model->scorer).settings().missing_value;
  if (!model->number_codes.empty()) {
    SPINNEY_ASSIGN(auto plan, make_forest_plan(model));
    return make_coded_plan(std::move(plan), std::move(model));
  }
  SPINNEY_ASSIGN(auto plan, make_forest_plan(model));
  return with_missing(std::move(plan), missing, *model);
}

}  // namespace spinney::plan
