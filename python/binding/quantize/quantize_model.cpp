#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "binding/interpreter/errors.h"
#include "binding/model/made.h"
#include "binding/quantize/quantize.h"
#include "spinney/quantize/model.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

CodeType code_type(const std::string& name) {
  if (name == "int8") return CodeType::kInt8;
  if (name == "int16") return CodeType::kInt16;
  if (name == "float16") return CodeType::kFloat16;
  raise(invalid_argument("dtype is '" + name + "'; it may be int8, int16 or float16"));
  throw nb::python_error();
}

std::unique_ptr<BoundModel> quantize_model(const BoundModel& bound, const std::string& dtype) {
  const CodeType type = code_type(dtype);
  return made_model([&] { return quantize::quantize_model(bound.model.description(), type); });
}

// What a quantized model's scores are made of; None for any other model.
nb::object quantization(const BoundModel& bound) {
  const auto& found = bound.model.description().quantization;
  if (!found) return nb::none();
  static constexpr const char* kNames[] = {"int8", "int16", "float16"};
  nb::dict out;
  out["dtype"] = kNames[static_cast<size_t>(found->type)];
  out["scales"] = found->scales;
  out["offsets"] = found->offsets;
  out["bounds"] = found->bounds;
  return out;
}

// (n_outputs, n_features) weights of a linear model as its scores have them, flat; else None.
nb::object linear_weights(const BoundModel& bound) {
  const Description& model = bound.model.description();
  const auto* linear = std::get_if<Linear>(&model.scorer);
  if (!linear) return nb::none();
  std::vector<double> weights(linear->weights.begin(), linear->weights.end());
  if (model.quantization)
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] *= model.quantization->scales[i / linear->n_features];
  return nb::cast(weights);
}

}  // namespace

void define_quantize_model(nb::module_& m) {
  m.def("quantize_model", &quantize_model, "model"_a, "dtype"_a,
        "The model with leaves in int8 or int16, or linear weights in int8 or float16.");
  m.def("quantization", &quantization, "model"_a,
        "dtype, scales, offsets and bounds of a quantized model; None for another.");
  m.def("linear_weights", &linear_weights, "model"_a,
        "Weights of a linear model, flat, one row an output; None for another.");
}

}  // namespace spinney::binding
