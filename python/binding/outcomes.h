// What predict gives of an answer: (True, result, metadata). Written here because it is most of
// what an engine adds to a prediction of one row.
#pragma once

#include <nanobind/nanobind.h>

namespace spinney::binding {

void define_outcomes(nanobind::module_& module);

}  // namespace spinney::binding
