// The HTTP server as spinney.serve uses it.
#pragma once

#include <nanobind/nanobind.h>

namespace spinney::binding {

void define_server(nanobind::module_& m);

}  // namespace spinney::binding
