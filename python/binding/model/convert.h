// Whole numbers to floats without numpy's casting machinery, which costs a microsecond a call.
#pragma once

#include <cstddef>

#include "binding/interpreter/numpy_api.h"
#include "spinney/model/rows.h"

namespace spinney::binding {

// Writes rows [first, first + count) of a 2-D array as packed numbers of type `to`, each converted
// directly. False, with nothing written, if numpy has to do it: floats, foreign byte order,
// unaligned memory.
bool convert_integers(PyArrayObject* array, size_t first, size_t count, NumberType to, void* out);

}  // namespace spinney::binding
