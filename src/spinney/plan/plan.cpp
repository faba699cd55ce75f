#include "spinney/plan/plan.h"

#include <cmath>
#include <string>

#include "spinney/plan/encoded_plan.h"
#include "spinney/plan/forest_plan.h"
#include "spinney/plan/graph_plan.h"
#include "spinney/plan/linear_plan.h"
#include "spinney/plan/measure.h"
#include "spinney/plan/quantized_plan.h"
#include "spinney/plan/rewritten_plan.h"

namespace spinney::plan {
namespace {

std::shared_ptr<const Plan> with_missing(std::shared_ptr<const Plan> plan, double missing,
                                         const Description& model) {
  if (std::isnan(missing)) return plan;
  return make_missing_plan(std::move(plan), missing, model);
}

std::shared_ptr<const Plan> with_scales(std::shared_ptr<const Plan> plan, NumberType sum_type,
                                        const Description& model) {
  if (!model.quantization) return plan;
  return make_quantized_plan(std::move(plan), sum_type, *model.quantization);
}

}  // namespace

Result<std::shared_ptr<const Plan>> make_plan(std::shared_ptr<const Description> model) {
  Allowance allowance(SteadyClock::instance());
  return make_plan(std::move(model), allowance);
}

Result<std::shared_ptr<const Plan>> make_plan(std::shared_ptr<const Description> model,
                                              Allowance& allowance) {
  if (const auto* linear = std::get_if<Linear>(&model->scorer)) {
    SPINNEY_ASSIGN(auto plan, make_linear_plan(model));
    return with_missing(with_scales(std::move(plan), linear->score_type(), *model),
                        linear->missing_value, *model);
  }
  if (std::holds_alternative<GraphPtr>(model->scorer))
    return make_graph_plan(std::move(model), allowance);
  const ForestSettings& settings = std::get<Forest>(model->scorer).settings();
  if (!model->number_codes.empty()) {
    SPINNEY_ASSIGN(auto sums, make_forest_plan(model, allowance));
    auto plan = with_scales(std::move(sums), settings.accumulator, *model);
    return make_coded_plan(std::move(plan), std::move(model));
  }
  SPINNEY_ASSIGN(auto sums, make_forest_plan(model, allowance));
  auto plan = with_scales(std::move(sums), settings.accumulator, *model);
  if (model->category_tables) return make_encoded_plan(std::move(plan), std::move(model));
  return with_missing(std::move(plan), settings.missing_value, *model);
}

}  // namespace spinney::plan
