// Models in fewer bits: a forest's leaves or a linear model's weights as codes.
#pragma once

#include "spinney/base/result.h"
#include "spinney/model/description.h"

namespace spinney::quantize {

// The model with codes of that type. Forests: kInt8 or kInt16; thresholds, and so the leaf that a
// row reaches, stay exact. Linear models: kInt8 or kFloat16.
// Refuses ensembles, leaves that are linear functions, weighted medians, models that are quantized
// already, leaves and weights that are not finite, and weights beyond float16's range.
Result<Description> quantize_model(const Description& model, CodeType type);

}  // namespace spinney::quantize
