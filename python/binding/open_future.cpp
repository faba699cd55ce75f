// Futures that Python code completes, and the threads that deliver futures, as Python sees them.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <memory>
#include <utility>

#include "binding/future.h"

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

void define_open_futures(nb::module_& module) {
  nb::class_<Dispatcher>(module, "Dispatcher", "Runs callbacks of futures on threads of its own.")
      .def(nb::new_([] { return std::make_shared<Dispatcher>(); }))
      .def("serve",
           [](Dispatcher& self, int lane) {
             self.serve(lane ? Dispatcher::kCallbacks : Dispatcher::kConditions);
           })
      .def("stop", &Dispatcher::stop);
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
