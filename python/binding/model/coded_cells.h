// Cells: one Python object becomes the number that its column's schema has for it.
#pragma once

#include <Python.h>

#include "spinney/columns/coder.h"

namespace spinney::binding {

// False with a Python error set, which names the row and column.
bool code_cell(const columns::Coder& coder, PyObject* cell, size_t row, size_t column, double& out);

// None, a NaN, pandas.NA, NaT: a library's word for no value.
bool is_missing_cell(PyObject* cell);

// What a model without a schema takes of a dict: a float, a whole number that a double holds, a
// boolean, None. False with no error set for all else.
bool plain_cell(PyObject* cell, double& out);

// The list's cells as a flat array of float64; nullptr with a Python error set.
PyObject* code_column(const columns::Coder& coder, size_t column, PyObject* cells);

}  // namespace spinney::binding
