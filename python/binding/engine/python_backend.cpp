#include "binding/engine/python_backend.h"

#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "binding/engine/python_parcel.h"
#include "binding/futures/future_object.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/interpreter/references.h"
#include "binding/model/model.h"

namespace spinney::binding {
namespace {

PyObject* copy_rows(const Rows& rows) {
  npy_intp sizes[2] = {static_cast<npy_intp>(rows.count), static_cast<npy_intp>(rows.width)};
  PyObject* array =
      PyArray_SimpleNew(2, sizes, rows.type == NumberType::kFloat32 ? NPY_FLOAT : NPY_DOUBLE);
  if (array && rows.count && rows.width)  // a batch is contiguous, see BatchInput
    std::memcpy(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)), rows.data,
                rows.count * rows.width * size_of(rows.type));
  return array;
}

// What would end a caller's thread or program (SystemExit and the like) becomes an error of the
// model's, which has it as its cause.
void contain(PyObject*& error) {
  if (PyErr_GivenExceptionMatches(error, PyExc_Exception)) return;
  const Owned make(helper("contained"));
  PyObject* contained = make ? call_python(make.get(), error) : nullptr;
  if (!contained) {
    PyErr_WriteUnraisable(make.get());
    return;
  }
  Py_DECREF(error);
  error = contained;
}

// Of an exception that `object` shares with the futures; takes over a reference to it.
Error error_of(PyObject* value, std::shared_ptr<void>& object) {
  contain(value);
  const Owned text(asleep_at_exit([&] { return PyObject_Str(value); }));
  const char* bytes = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  std::string message = std::string(Py_TYPE(value)->tp_name) + ": " + (bytes ? bytes : "?");
  PyErr_Clear();
  object = share_reference(value);
  return {Code::kInternal, std::move(message)};
}

// Hands the exception that is set to the futures.
Error take_exception(backend::BatchOutput& output) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  asleep_at_exit([&] { PyErr_NormalizeException(&type, &value, &trace); });
  if (trace) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return error_of(value, output.object);
}

Status call(PyObject* function, const Rows& rows, backend::BatchOutput& output) {
  const Owned array(copy_rows(rows));
  if (!array) return take_exception(output);
  Owned answer(call_python(function, array.get()));
  if (!answer) return take_exception(output);
  const Py_ssize_t length = asleep_at_exit([&] { return PySequence_Size(answer.get()); });
  if (length < 0) return take_exception(output);
  if (static_cast<size_t>(length) != rows.count)
    return Error{Code::kInternal, "the model gave " + std::to_string(length) + " answers to " +
                                      std::to_string(rows.count) + " rows"};
  output.object = share_reference(answer.release());
  return {};
}

PyObject* list_of(std::span<const backend::Item> items) {
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(items.size()));
  for (size_t i = 0; list && i < items.size(); ++i) {
    PyObject* object = object_of(*items[i].parcel);
    Py_INCREF(object);
    PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), object);
  }
  return list;
}

Status call(PyObject* function, std::span<const backend::Item> items,
            backend::BatchOutput& output) {
  const Owned list(list_of(items));
  if (!list) return take_exception(output);
  const Owned given(call_python(function, list.get()));
  if (!given) return take_exception(output);
  Owned answers(asleep_at_exit([&] { return PySequence_List(given.get()); }));
  if (!answers) return take_exception(output);
  const auto count = static_cast<size_t>(PyList_GET_SIZE(answers.get()));
  if (count != items.size())
    return Error{Code::kInternal, "the model gave " + std::to_string(count) + " answers to " +
                                      std::to_string(items.size()) + " requests"};
  for (size_t i = 0; i < count; ++i) {
    PyObject* answer = PyList_GET_ITEM(answers.get(), static_cast<Py_ssize_t>(i));
    if (!PyExceptionInstance_Check(answer)) continue;
    Py_INCREF(answer);
    backend::ItemError failed;
    failed.item = i;
    failed.error = error_of(answer, failed.object);
    output.item_errors.push_back(std::move(failed));
  }
  output.object = share_reference(answers.release());
  return {};
}

std::shared_ptr<void> hold(PyObject* function) {
  if (function == Py_None) return nullptr;
  Py_INCREF(function);
  return share_reference(function);
}

}  // namespace

std::shared_ptr<const backend::Backend> make_python_backend(PyObject* answer_rows,
                                                            PyObject* answer_parcels,
                                                            const PythonBackendOptions& options) {
  const std::shared_ptr<void> for_rows = hold(answer_rows);
  const std::shared_ptr<void> for_parcels = hold(answer_parcels);
  backend::CallableOptions given;
  given.width = options.width;
  given.concurrency = options.concurrency;
  given.idempotent = options.idempotent;
  given.waits = true;  // for the interpreter's lock at least, if not for a worker process
  given.takes_rows = for_rows != nullptr;
  if (for_parcels) given.takes = [](const Parcel& parcel) { return object_of(parcel) != nullptr; };
  const auto score = [for_rows, for_parcels](const backend::BatchInput& input,
                                             backend::BatchOutput& output) -> Status {
    const WithInterpreter locked;
    if (!locked.held()) return Error{Code::kShutDown, "the Python interpreter has ended"};
    const Status status =
        input.items.empty() ? call(static_cast<PyObject*>(for_rows.get()), input.rows, output)
                            : call(static_cast<PyObject*>(for_parcels.get()), input.items, output);
    give_up_left_references();
    return status;
  };
  return backend::make_callable(score, given);
}

}  // namespace spinney::binding
