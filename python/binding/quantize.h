// The array quantizer's functions, which spinney.quantization builds on.
#pragma once

#include <nanobind/nanobind.h>

namespace spinney::binding {

void define_quantize(nanobind::module_& m);

}  // namespace spinney::binding
