#include "binding/futures/future.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <cstddef>

#include "binding/futures/future_listeners.h"
#include "binding/futures/future_object.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/references.h"
#include "binding/model/model.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

PyTypeObject* prediction_future = nullptr;  // spinney.engine.future.PredictionFuture

bool read_timeout(PyObject* const* args, Py_ssize_t count, PyObject* names, PyObject*& timeout) {
  timeout = Py_None;
  const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  if (count + named > 1) {
    PyErr_SetString(PyExc_TypeError, "expected at most one argument, timeout");
    return false;
  }
  if (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout") != 0) {
    PyErr_Format(PyExc_TypeError, "unexpected keyword argument '%U'", PyTuple_GET_ITEM(names, 0));
    return false;
  }
  if (count + named) timeout = args[0];
  return true;
}

// Waits and settles; false with a Python error set, also for a cancelled future.
bool await(Future* future, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  PyObject* timeout;
  if (!read_timeout(args, count, names, timeout) || !wait_until_done(future, timeout)) return false;
  if (is_cancelled(future)) {
    raise_named("spinney.exceptions", "RequestCancelledError");
    return false;
  }
  return settle(future);
}

PyObject* result(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  Future* future = as_future(self);
  if (!future->value && !await(future, args, count, names)) return nullptr;
  if (future->value) {
    Py_INCREF(future->value);
    return future->value;
  }
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(future->error)), future->error);
  return nullptr;
}

PyObject* exception(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  Future* future = as_future(self);
  if (!future->value && !await(future, args, count, names)) return nullptr;
  PyObject* answer = future->error ? future->error : Py_None;
  Py_INCREF(answer);
  return answer;
}

PyObject* done(PyObject* self, PyObject*) { return PyBool_FromLong(is_done(as_future(self))); }

PyObject* cancelled(PyObject* self, PyObject*) {
  return PyBool_FromLong(is_cancelled(as_future(self)));
}

// It may be done meanwhile, so that is looked at once more.
bool is_running(const Future* future) {
  return !is_done(future) && future->promise->begun() && !is_done(future);
}

PyObject* running(PyObject* self, PyObject*) {
  return PyBool_FromLong(is_running(as_future(self)));
}

PyObject* cancel(PyObject* self, PyObject*) {
  Future* future = as_future(self);
  if (is_done(future)) return PyBool_FromLong(is_cancelled(future));
  if (!future->promise->cancel()) Py_RETURN_FALSE;
  if (!future->promise->listened()) Py_RETURN_TRUE;
  announce(self);
  const Owned told(tell_callbacks(self));
  if (!told) return nullptr;
  Py_RETURN_TRUE;
}

PyObject* state_name(PyObject* self, void*) {
  const Future* future = as_future(self);
  if (is_running(future)) return PyUnicode_FromString("RUNNING");
  if (!is_done(future)) return PyUnicode_FromString("PENDING");
  return PyUnicode_FromString(is_cancelled(future) ? "CANCELLED_AND_NOTIFIED" : "FINISHED");
}

PyObject* condition(PyObject* self, void*) { return shared_condition(self); }
PyObject* waiters(PyObject* self, void*) { return shared_list(self, &Future::waiters); }
PyObject* callbacks(PyObject* self, void*) { return shared_list(self, &Future::callbacks); }

PyObject* settled(PyObject* self, PyObject* Future::* member) {
  Future* future = as_future(self);
  if (is_done(future) && !is_cancelled(future) && !settle(future)) return nullptr;
  PyObject* object = future->*member ? future->*member : Py_None;
  Py_INCREF(object);
  return object;
}

PyObject* value_now(PyObject* self, void*) { return settled(self, &Future::value); }
PyObject* error_now(PyObject* self, void*) { return settled(self, &Future::error); }

PyObject* mark_announced(PyObject* self, PyObject*) {
  if (Promise* promise = as_future(self)->promise) promise->announced();
  Py_RETURN_NONE;
}

PyObject* timing(PyObject* self, PyObject*) {
  const Future* future = as_future(self);
  if (!future->promise || !is_done(future) || is_cancelled(future)) Py_RETURN_NONE;
  return future->promise->timing();
}

PyObject* refuse_new(PyTypeObject*, PyObject*, PyObject*) {
  PyErr_SetString(PyExc_TypeError,
                  "a PredictionFuture is made by InferenceEngine.enqueue_prediction");
  return nullptr;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Future* future = as_future(self);
  Py_VISIT(future->value);
  Py_VISIT(future->error);
  Py_VISIT(future->condition);
  Py_VISIT(future->waiters);
  Py_VISIT(future->callbacks);
  Py_VISIT(future->wakers);
#if PY_VERSION_HEX >= 0x03090000
  Py_VISIT(Py_TYPE(self));
#endif
  return 0;
}

int clear(PyObject* self) {
  Future* future = as_future(self);
  Py_CLEAR(future->value);
  Py_CLEAR(future->error);
  Py_CLEAR(future->condition);
  Py_CLEAR(future->waiters);
  Py_CLEAR(future->callbacks);
  Py_CLEAR(future->wakers);
  return 0;
}

// The interpreter's own subtype_dealloc does the rest before: weak references and the dict of the
// class that derives from FutureBase.
void deallocate(PyObject* self) {
  Future* future = as_future(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  if (future->promise) future->promise->release();
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);  // subtype_dealloc leaves this to a base that is a heap type itself
  give_up_left_references();
}

using Method = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
PyCFunction fast(Method function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"result", fast(result), METH_FASTCALL | METH_KEYWORDS,
     "result($self, timeout=None)\n--\n\n"
     "The prediction; waits up to timeout seconds for it, then raises concurrent.futures'\n"
     "TimeoutError. Raises what went wrong with the request."},
    {"exception", fast(exception), METH_FASTCALL | METH_KEYWORDS,
     "exception($self, timeout=None)\n--\n\nWhat result() would raise, or None."},
    {"done", done, METH_NOARGS, "done($self)\n--\n\nTrue once answered, failed or cancelled."},
    {"cancelled", cancelled, METH_NOARGS, "cancelled($self)\n--\n\nTrue if cancel() came in time."},
    {"running", running, METH_NOARGS, "running($self)\n--\n\nTrue while its batch is computed."},
    {"cancel", cancel, METH_NOARGS,
     "cancel($self)\n--\n\nTrue if it was not answered yet: its answer is dropped, and if it "
     "still\n"
     "waits it is not run."},
    {"add_done_callback", add_done_callback, METH_O,
     "add_done_callback($self, fn, /)\n--\n\n"
     "Calls fn(future) once done: on the engine's callback thread, or at once if it is done."},
    {"_add_waker", add_waker, METH_O,
     "_add_waker($self, fn, /)\n--\n\n"
     "Calls fn(future) once done, before any callback and on a thread that runs no user code; fn\n"
     "must neither wait nor call any."},
    {"_timing", timing, METH_NOARGS, nullptr},
    {"_mark_announced", mark_announced, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"_state", state_name, nullptr, nullptr, nullptr},
    {"_condition", condition, nullptr, nullptr, nullptr},
    {"_waiters", waiters, nullptr, nullptr, nullptr},
    {"_done_callbacks", callbacks, nullptr, nullptr, nullptr},
    {"_result", value_now, nullptr, nullptr, nullptr},
    {"_exception", error_now, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(refuse_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, nullptr},
};

PyType_Spec spec = {"spinney._core.FutureBase", sizeof(Future), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

PyObject* make_future(Promise* promise) {
  PyObject* self = prediction_future->tp_alloc(prediction_future, 0);
  if (self)
    as_future(self)->promise = promise;
  else
    promise->release();
  return self;
}

PyObject* make_settled_future(PyObject* value, PyObject* error) {
  PyObject* self = prediction_future->tp_alloc(prediction_future, 0);
  if (!self) return nullptr;
  PyObject*& place = error ? as_future(self)->error : as_future(self)->value;
  place = error ? error : value;
  Py_XINCREF(place);
  return self;
}

namespace {

PyObject* settled_future(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count == 1) return make_settled_future(args[0], nullptr);
  if (count == 2) return make_settled_future(nullptr, args[1]);
  PyErr_SetString(PyExc_TypeError, "expected a value, or None and an exception");
  return nullptr;
}

PyMethodDef functions[] = {
    {"settled_future", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(settled_future)),
     METH_FASTCALL,
     "settled_future(value, error=None, /)\n--\n\n"
     "A future that is done already: with a value, or with an exception."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void define_futures(nb::module_& module) {
  PyObject* base = PyType_FromSpec(&spec);
  if (!base) throw nb::python_error();
  module.attr("FutureBase") = nb::steal(base);
  module.def("_adopt_future_type", [](nb::type_object type) {
    prediction_future = reinterpret_cast<PyTypeObject*>(type.release().ptr());
  });
  if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw nb::python_error();
  module.def("_forked", [] {
    ++Promise::generation;
    forget_newcomers();
    forget_emptying();
  });
}

}  // namespace spinney::binding
