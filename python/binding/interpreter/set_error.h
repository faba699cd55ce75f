// The Python error that is set: taken, told apart, and mended where rows are one flat row.
#pragma once

#include <Python.h>

#include "binding/model/model.h"

namespace spinney::binding {

// The error that is set, taken.
PyObject* take_error();
void set_error(PyObject* error);
// Whether it is of that class of spinney.exceptions.
bool is_of(PyObject* error, const char* name);
// Whether one is set that says that rows are none.
bool misfit_is_set();

// x as one row, where it is no rows as it is, for which an error is set: by flat_row(x), or without
// one by spinney.inputs.one_row(model, x). False: it is no row either, or what was raised is no
// answer; the error to tell is set.
bool take_flat_row(PyObject* x, PyObject* flat_row, PyObject* model, Owned& row);

}  // namespace spinney::binding
