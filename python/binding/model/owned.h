// Owned: a reference that is given up when it goes.
#pragma once

#include <Python.h>

#include <memory>

#include "binding/interpreter/interpreter_lock.h"

namespace spinney::binding {

struct Unreference {
  // What goes may run Python code, which may ask for the interpreter's lock as the interpreter
  // ends.
  void operator()(PyObject* object) const {
    asleep_at_exit([object] { Py_XDECREF(object); });
  }
};
// An owned reference, given up when it goes.
using Owned = std::unique_ptr<PyObject, Unreference>;

inline PyObject* new_reference(PyObject* object) {
  Py_INCREF(object);
  return object;
}

}  // namespace spinney::binding
