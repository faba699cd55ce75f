// Arrays for results, whose memory is kept for the next large result of that size.
#pragma once

#include <nanobind/nanobind.h>

#include "binding/interpreter/numpy_api.h"

namespace spinney::binding {

// A C-contiguous array that must be written in full: a new reference. Throws nb::python_error.
PyObject* new_result(int n_axes, const npy_intp* axes, int type);

// trim_results() and idle_result_bytes().
void define_result_memory(nanobind::module_& module);

}  // namespace spinney::binding
