#include "binding/futures/future_listeners.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <utility>

#include "binding/futures/future.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/model/model.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

// A thread for a lane that this future's delivery needs.
bool ensure_thread(Future* future, Dispatcher::Lane lane) {
  const std::shared_ptr<Dispatcher>& dispatcher = future->promise->dispatcher();
  return !dispatcher->claim(lane) || start_thread(dispatcher, lane);
}

// True if a Dispatcher or canceller will still come for this future's callbacks.
bool delivery_due(const Future* future) {
  return future->promise && !orphaned(future) && future->promise->listened() && !future->delivered;
}

// The list, made if need be: borrowed, or nullptr with a Python error set.
PyObject* list_of(Future* future, PyObject* Future::* list) {
  if (future->*list) return future->*list;
  Owned made(PyList_New(0));  // which may run Python code, and that another who makes one
  if (!made) return nullptr;
  if (!(future->*list)) future->*list = made.release();
  return future->*list;
}

PyObject* call_now(PyObject* self, PyObject* function) {
  const Owned run(helper("run_callbacks"));
  const Owned functions(run ? PyTuple_Pack(1, function) : nullptr);
  return functions ? call_python(run.get(), self, functions.get()) : nullptr;
}

// Takes the list away, so that nobody else tells what is in it, and tells it.
PyObject* tell_all(PyObject* self, PyObject* Future::* list) {
  const Owned functions(std::exchange(as_future(self)->*list, nullptr));
  if (!functions) Py_RETURN_NONE;
  const Owned run(helper("run_callbacks"));
  return run ? call_python(run.get(), self, functions.get()) : nullptr;
}

void report_unless(PyObject* told, PyObject* self) {
  if (!told) asleep_at_exit([self] { PyErr_WriteUnraisable(self); });
  const Owned gone(told);
}

}  // namespace

bool start_thread(const std::shared_ptr<Dispatcher>& dispatcher, Dispatcher::Lane lane) {
  const Owned start(helper("start_thread"));
  if (start) {
    const nb::object held = nb::cast(dispatcher);
    const Owned number(PyLong_FromLong(lane));
    const Owned started(number ? call_python(start.get(), held.ptr(), number.get()) : nullptr);
    if (started) return true;
  }
  dispatcher->cannot_serve(lane);  // so an engine's upkeep stands in for it, in its time
  return false;
}

PyObject* add_done_callback(PyObject* self, PyObject* function) {
  Future* future = as_future(self);
  if (is_done(future) && !delivery_due(future)) return call_now(self, function);
  if (!ensure_thread(future, Dispatcher::kCallbacks)) return nullptr;
  PyObject* list = list_of(future, &Future::callbacks);
  if (!list || PyList_Append(list, function) < 0) return nullptr;
  future->promise->listen(self, Promise::kCallback);
  if (delivery_due(future)) Py_RETURN_NONE;
  return tell_all(self, &Future::callbacks);  // it was done, and delivered perhaps, meanwhile
}

PyObject* add_waker(PyObject* self, PyObject* function) {
  Future* future = as_future(self);
  if (is_done(future)) return call_now(self, function);
  if (!ensure_thread(future, Dispatcher::kWaiters)) return nullptr;
  PyObject* list = list_of(future, &Future::wakers);
  if (!list || PyList_Append(list, function) < 0) return nullptr;
  if (future->promise->listen(self, Promise::kWaker) && !orphaned(future)) Py_RETURN_NONE;
  return tell_all(self, &Future::wakers);
}

PyObject* shared_condition(PyObject* self) {
  Future* future = as_future(self);
  if (!future->condition) {
    const Owned make(helper("Condition"));
    Owned made(make ? call_python(make.get()) : nullptr);
    if (!made) return nullptr;
    if (future->promise && !is_done(future) && !ensure_thread(future, Dispatcher::kWaiters))
      return nullptr;
    if (!future->condition) {
      future->condition = made.release();
      if (future->promise) future->promise->listen(self, Promise::kCondition);
    }
  }
  Py_INCREF(future->condition);
  return future->condition;
}

PyObject* shared_list(PyObject* self, PyObject* Future::* list) {
  PyObject* found = list_of(as_future(self), list);
  Py_XINCREF(found);
  return found;
}

bool announce(PyObject* self) {
  Future* future = as_future(self);
  if (future->condition) {
    const Owned tell(helper("announce"));
    const Owned told(tell ? call_python(tell.get(), self) : nullptr);
    if (!told) {
      PyErr_WriteUnraisable(self);
      future->promise->announced();
    }
  }
  report_unless(tell_all(self, &Future::wakers), self);
  // A list that somebody only looked at may have no thread that would come for it.
  return future->callbacks && PyList_GET_SIZE(future->callbacks) > 0;
}

PyObject* tell_callbacks(PyObject* self) {
  Future* future = as_future(self);
  future->delivered = true;
  const Owned held(future->promise->take_listener());
  return tell_all(self, &Future::callbacks);
}

void deliver(PyObject* self) {
  Py_INCREF(self);
  const Owned kept(self);
  report_unless(tell_callbacks(self), self);
}

}  // namespace spinney::binding
