#include "binding/futures/future_object.h"

#include <chrono>
#include <cmath>
#include <cstdint>

#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/references.h"
#include "binding/interpreter/set_error.h"
#include "binding/model/model.h"

namespace spinney::binding {
namespace {

// The seconds of `timeout` from now as a deadline. False with a Python error set.
bool read_deadline(PyObject* timeout, bool& bounded, Promise::Time& deadline) {
  bounded = false;
  if (timeout == Py_None) return true;
  const double seconds = PyFloat_AsDouble(timeout);
  if (seconds == -1.0 && PyErr_Occurred()) return false;
  if (std::isnan(seconds)) {
    PyErr_SetString(PyExc_ValueError, "timeout is not a number; give seconds, or None");
    return false;
  }
  if (seconds > 1e9) return true;
  bounded = true;
  deadline = std::chrono::steady_clock::now();
  if (seconds > 0) deadline += std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
  return true;
}

}  // namespace

PyObject* helper(const char* name) {
  static PyObject* module = nullptr;  // kept for good: every delivery asks
  if (!module)
    module = asleep_at_exit([] { return PyImport_ImportModule("spinney.engine.future"); });
  return module ? PyObject_GetAttrString(module, name) : nullptr;
}

bool orphaned(const Future* future) {
  const Promise* promise = future->promise;
  return promise && promise->stale() && !(promise->phase() & 2);
}

bool is_done(const Future* future) {
  return !future->promise || future->promise->done() || orphaned(future);
}

bool settle(Future* future) {
  if (future->value || future->error) return true;
  Owned value;
  if (orphaned(future)) {
    const Owned raiser(helper("orphaned"));
    value.reset(raiser ? call_python(raiser.get()) : nullptr);
  } else {
    value.reset(future->promise->answer());
  }
  if (!value && !PyErr_ExceptionMatches(PyExc_Exception)) return false;
  Owned error(value ? nullptr : take_error());
  // Making it may have let another thread in, which settled the same future.
  if (future->value || future->error) return true;
  future->value = value.release();
  future->error = error.release();
  // An error that is raised refers to the frames that hold this future. The collector sees what the
  // future holds, but not what its promise does.
  future->promise->forget();
  give_up_left_references();
  return true;
}

PyObject* raise_named(const char* module_name, const char* name) {
  const Owned module(PyImport_ImportModule(module_name));
  const Owned type(module ? PyObject_GetAttrString(module.get(), name) : nullptr);
  const Owned error(type ? PyObject_CallFunctionObjArgs(type.get(), nullptr) : nullptr);
  if (error) PyErr_SetObject(type.get(), error.get());
  return nullptr;
}

bool wait_until_done(Future* future, PyObject* timeout) {
  if (is_done(future)) return true;
  bool bounded;
  Promise::Time deadline;
  if (!read_deadline(timeout, bounded, deadline)) return false;
  for (;;) {
    Promise::Wait outcome;
    {
      const Unlocked released;
      outcome = future->promise->wait(bounded ? &deadline : nullptr);
    }
    if (outcome == Promise::Wait::kDone || is_done(future)) return true;
    if (outcome == Promise::Wait::kInterrupted) {
      if (PyErr_CheckSignals() < 0) return false;
      continue;
    }
    raise_named("concurrent.futures", "TimeoutError");
    return false;
  }
}

}  // namespace spinney::binding
