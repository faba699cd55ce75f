// Requests that are answered by the thread that asks, through the engine's door (engine/visit.h):
// the methods of Served beside submit().
#pragma once

#include <Python.h>

namespace spinney::binding {

PyObject* served_predict(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* served_at_once(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* served_kept(PyObject* self, PyObject* key);
PyObject* served_keep(PyObject* self, PyObject* const* args, Py_ssize_t count);

}  // namespace spinney::binding
