// QuantizedPlan: any plan sums up codes; a quantized model's scales and offsets turn the sums into
// scores.
#pragma once

#include <memory>

#include "spinney/model/quantization.h"
#include "spinney/plan/plan.h"

namespace spinney::plan {

// `sums` gives sums of sum_type, quantization.scales.size() a row.
std::shared_ptr<const Plan> make_quantized_plan(std::shared_ptr<const Plan> sums,
                                                NumberType sum_type,
                                                const Quantization& quantization);

}  // namespace spinney::plan
