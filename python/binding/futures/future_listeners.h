// Those who want to hear of a future's end: callbacks, wakers, and threads that wait on its
// condition.
//
// The rule by which none is lost and none told twice. Whoever adds one makes everything first that
// may run Python code (and so let the interpreter's lock go), then looks whether others have been
// there meanwhile, then puts it in its place and asks for the delivery, in one go under the lock.
// Whoever delivers takes a list away and marks the future in one go, too. So a list that has
// something in it is either due, and the dispatcher comes for it, or is taken and told by the one
// who finds it.
#pragma once

#include <Python.h>

#include <memory>

#include "binding/futures/future_object.h"

namespace spinney::binding {

// Methods of a future: new references, or nullptr with a Python error set and nothing added.
PyObject* add_done_callback(PyObject* self, PyObject* function);
PyObject* add_waker(PyObject* self, PyObject* function);
// The future's condition, and from now on it is told before the future counts as done.
PyObject* shared_condition(PyObject* self);
// Of a future that has just been cancelled, or whose turn has come: runs its callbacks, None.
PyObject* tell_callbacks(PyObject* self);
PyObject* shared_list(PyObject* self, PyObject* Future::* list);
// Starts the lane's thread; false with a Python error set, and the lane marked as without one.
bool start_thread(const std::shared_ptr<Dispatcher>& dispatcher, Dispatcher::Lane lane);

}  // namespace spinney::binding
