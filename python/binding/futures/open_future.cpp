// Futures that Python code completes, and the threads that deliver futures, as Python sees them.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <chrono>
#include <memory>
#include <utility>

#include "binding/futures/future.h"
#include "binding/interpreter/interpreter_lock.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

// A promise that Python code keeps.
class LocalPromise final : public Promise {
 public:
  using Promise::Promise;
  ~LocalPromise() override {
    Py_XDECREF(value_);
    Py_XDECREF(error_);
  }

  void keep(PyObject* value, PyObject* error) {
    if (value_ || error_) return;
    PyObject*& place = error == Py_None ? value_ : error_;
    place = error == Py_None ? value : error;
    Py_INCREF(place);
    finish();
  }

  PyObject* answer() override {
    if (error_) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error_)), error_);
    Py_XINCREF(value_);
    return value_;
  }

 private:
  PyObject* value_ = nullptr;
  PyObject* error_ = nullptr;
};

struct Keeper {
  explicit Keeper(std::shared_ptr<Dispatcher> dispatcher)
      : promise(new LocalPromise(std::move(dispatcher))) {}
  Keeper(const Keeper&) = delete;
  ~Keeper() { promise->release(); }

  LocalPromise* promise;
};

}  // namespace

namespace {

// Plain C methods: when the interpreter ends while one of them waits for its lock, the system ends
// the thread by unwinding it, which a generic dispatcher's catch-all would break.
PyObject* serve(PyObject* self, PyObject* lane) {
  const long number = PyLong_AsLong(lane);
  if (number == -1 && PyErr_Occurred()) return nullptr;
  Dispatcher* dispatcher = nb::inst_ptr<Dispatcher>(self);
  dispatcher->serve(number ? Dispatcher::kCallbacks : Dispatcher::kWaiters);
  Py_RETURN_NONE;
}

PyObject* stop(PyObject* self, PyObject*) {
  Dispatcher* dispatcher = nb::inst_ptr<Dispatcher>(self);
  {
    const Unlocked released;
    dispatcher->stop(std::chrono::steady_clock::now() + std::chrono::seconds(1));
  }
  Py_RETURN_NONE;
}

PyObject* cannot_serve(PyObject* self, PyObject* lane) {
  const long number = PyLong_AsLong(lane);
  if (number == -1 && PyErr_Occurred()) return nullptr;
  nb::inst_ptr<Dispatcher>(self)->cannot_serve(number ? Dispatcher::kCallbacks
                                                      : Dispatcher::kWaiters);
  Py_RETURN_NONE;
}

PyMethodDef dispatcher_methods[] = {
    {"serve", serve, METH_O, "serve($self, lane, /)\n--\n\nDelivers futures until stopped."},
    {"cannot_serve", cannot_serve, METH_O,
     "cannot_serve($self, lane, /)\n--\n\nNo thread could be started to serve it."},
    {"stop", stop, METH_NOARGS, "stop($self)\n--\n\nEnds the threads that serve."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void define_open_futures(nb::module_& module) {
  PyType_Slot slots[] = {{Py_tp_methods, dispatcher_methods}, {0, nullptr}};
  nb::class_<Dispatcher>(module, "Dispatcher", nb::type_slots(slots),
                         "Runs callbacks of futures on threads of its own.")
      .def(nb::new_([] { return std::make_shared<Dispatcher>(); }));
  nb::class_<Keeper>(module, "OpenFuture", "A future that Python code completes.")
      .def(nb::init<std::shared_ptr<Dispatcher>>())
      .def(
          "future",
          [](Keeper& self) {
            self.promise->retain();
            PyObject* future = make_future(self.promise);
            if (!future) throw nb::python_error();
            return nb::steal(future);
          },
          "The future; ask once.")
      .def("start", [](Keeper& self) { self.promise->start(); })
      .def(
          "finish",
          [](Keeper& self, nb::handle value, nb::handle error) {
            self.promise->keep(value.ptr(), error.ptr());
          },
          nb::arg("value").none(), nb::arg("error") = nb::none());
}

}  // namespace spinney::binding
