// Rows of models that look up categories by the hashes of their texts (CatBoost): cells become
// numbers, those of categories hashes.
#pragma once

#include <Python.h>

#include "binding/model/model.h"

namespace spinney::binding {

// A list or tuple of rows that are lists or tuples, or a numpy array of objects in two dimensions,
// as a new float64 array. Null: with a Python error set if a cell is none that the model takes,
// without one if x is something else.
PyObject* hashed_rows(const BoundModel& bound, PyObject* x);

// Categories of one column, a list, as a new float64 array of hashes; null with a Python error set.
PyObject* hashed_column(PyObject* cells);

}  // namespace spinney::binding
