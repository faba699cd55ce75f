// Rows whose values have names: dicts, and lists of them, read without a look at Python code.
#pragma once

#include <Python.h>

#include <memory>
#include <vector>

#include "binding/model/owned.h"
#include "spinney/columns/coder.h"
#include "spinney/spinney.h"

namespace spinney::binding {

// What dicts are read by, made once for a model.
struct NamedColumns {
  // nullptr with a Python error set.
  static std::unique_ptr<NamedColumns> make(const Model& model);

  std::vector<Owned> names;  // of every column, as interned texts; empty: dicts are not read here
  std::unique_ptr<const columns::Coder> coder;  // of a model with a schema
  NumberType type = NumberType::kFloat64;       // that rows are made in
  bool no_extras = false;  // keys that are no names may be others of them, as LightGBM writes these
};

// The rows of a dict, or of a list or tuple of dicts, as an array. nullptr with no error set: it is
// something else, or what only spinney.rows knows what to make of.
PyObject* named_rows(const NamedColumns& columns, PyObject* x);

// The rows of a list of lists or tuples, or of an array of objects, by position, of a model with a
// schema. nullptr with no error set: it is something else.
PyObject* placed_rows(const NamedColumns& columns, PyObject* x);

}  // namespace spinney::binding
