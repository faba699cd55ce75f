// spinney._core.combine_models: models as one graph.
#pragma once

#include <nanobind/nanobind.h>

namespace spinney::binding {

void define_combine(nanobind::module_& m);

}  // namespace spinney::binding
