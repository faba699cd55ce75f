// What a FutureBase object holds, and the steps that its methods share.
#pragma once

#include <Python.h>

#include "binding/futures/promise.h"

namespace spinney::binding {

struct Future {
  PyObject_HEAD Promise* promise;  // nullptr: done at birth
  PyObject* value;
  PyObject* error;
  PyObject* condition;
  PyObject* waiters;
  PyObject* callbacks;
  PyObject* wakers;
  PyObject* next_due;  // of a Dispatcher's queue
  bool delivered;
};

inline Future* as_future(PyObject* self) { return reinterpret_cast<Future*>(self); }

inline bool is_cancelled(const Future* future) {
  return future->promise && future->promise->phase() == Promise::kCancelled;
}

// After a fork no worker of this process keeps a promise made before.
bool orphaned(const Future* future);
bool is_done(const Future* future);
// Takes a done promise's answer over, once. False with a Python error set: this thread was
// interrupted meanwhile, which is no answer.
bool settle(Future* future);
// Waits at most `timeout`, None or seconds, without the interpreter's lock. False with a Python
// error set: out of time, or a signal's handler raised.
bool wait_until_done(Future* future, PyObject* timeout);

// A name of spinney.engine.future, or nullptr with a Python error set.
PyObject* helper(const char* name);
// Raises an exception without arguments; returns nullptr.
PyObject* raise_named(const char* module_name, const char* name);

}  // namespace spinney::binding
