// Functions that spinney.quantization builds on: of arrays, and of models.
#pragma once

#include <nanobind/nanobind.h>

namespace spinney::binding {

void define_quantize(nanobind::module_& m);
void define_quantize_model(nanobind::module_& m);

}  // namespace spinney::binding
