// FutureBase: what spinney.engine.future.PredictionFuture adds to concurrent.futures.Future.
//
// A future of the standard library makes a condition, a lock and three lists at birth. This one
// makes them when somebody asks: most futures are only waited for by result(). All members are
// called under the interpreter's lock, which guards every field.
#pragma once

#include <Python.h>

#include <memory>

#include "binding/futures/promise.h"

namespace nanobind {
class module_;
}

namespace spinney::binding {

// A future that reads `promise`, whose reference it takes over. nullptr with a Python error set,
// and then the reference is given up.
PyObject* make_future(Promise* promise);
// A future that is done: with a value, or with an exception if error is given.
PyObject* make_settled_future(PyObject* value, PyObject* error);

// For a Dispatcher's thread. Tells a finished future's condition and those who wait on it; true if
// callbacks are left to run.
bool announce(PyObject* future);
// Runs the future's callbacks, and gives up the reference that the promise held.
void deliver(PyObject* future);

void define_futures(nanobind::module_& module);
void define_open_futures(nanobind::module_& module);

}  // namespace spinney::binding
