// What Python learns of this machine's CPUs.
#pragma once

#include <nanobind/nanobind.h>

namespace spinney::binding {

void define_threads(nanobind::module_& m);

}  // namespace spinney::binding
