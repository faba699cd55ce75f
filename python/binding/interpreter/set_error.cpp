#include "binding/interpreter/set_error.h"

#include "binding/interpreter/interpreter_lock.h"

namespace spinney::binding {

PyObject* take_error() {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return value;
}

bool is_of(PyObject* error, const char* name) {
  const Owned module(PyImport_ImportModule("spinney.exceptions"));
  const Owned type(module ? PyObject_GetAttrString(module.get(), name) : nullptr);
  const int found = error && type ? PyObject_IsInstance(error, type.get()) : 0;
  PyErr_Clear();
  return found == 1;
}

void set_error(PyObject* error) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error)), error);
}

bool take_flat_row(PyObject* x, PyObject* flat_row, PyObject* model, Owned& row) {
  if (!PyErr_ExceptionMatches(PyExc_Exception)) return false;
  const Owned first(take_error());
  if (flat_row) {
    row.reset(call_python(flat_row, x));
  } else {
    const Owned module(PyImport_ImportModule("spinney.inputs"));
    const Owned one_row(module ? PyObject_GetAttrString(module.get(), "one_row") : nullptr);
    row.reset(one_row ? call_python(one_row.get(), model, x) : nullptr);
  }
  if (row && row.get() != Py_None) return true;
  if (row) {
    set_error(first.get());
    return false;
  }
  if (!PyErr_ExceptionMatches(PyExc_Exception)) return false;
  const Owned second(take_error());
  set_error(is_of(second.get(), "SpinneyError") ? second.get() : first.get());
  return false;
}

bool misfit_is_set() {
  if (!PyErr_ExceptionMatches(PyExc_Exception)) return false;
  const Owned error(take_error());
  const bool found = is_of(error.get(), "InvalidInputError");
  set_error(error.get());
  return found;
}

}  // namespace spinney::binding
