#include "binding/python_backend.h"

#include <cstring>
#include <string>

#include "binding/future_object.h"
#include "binding/interpreter_lock.h"
#include "binding/model.h"
#include "binding/numpy_api.h"
#include "binding/references.h"

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

// Hands the exception that is set to the futures.
Error take_exception(backend::BatchOutput& output) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  asleep_at_exit([&] { PyErr_NormalizeException(&type, &value, &trace); });
  if (trace) PyException_SetTraceback(value, trace);
  contain(value);
  const Owned text(asleep_at_exit([&] { return PyObject_Str(value); }));
  const char* bytes = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  std::string message = std::string(Py_TYPE(value)->tp_name) + ": " + (bytes ? bytes : "?");
  PyErr_Clear();
  output.object = share_reference(value);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return {Code::kInternal, std::move(message)};
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

}  // namespace

std::shared_ptr<const backend::Backend> make_python_backend(PyObject* function,
                                                            const PythonBackendOptions& options) {
  Py_INCREF(function);
  const std::shared_ptr<void> held = share_reference(function);
  backend::CallableOptions given;
  given.width = options.width;
  given.concurrency = options.concurrency;
  given.idempotent = options.idempotent;
  given.waits = true;  // for the interpreter's lock at least, if not for a worker process
  const auto score = [held](const backend::BatchInput& input,
                            backend::BatchOutput& output) -> Status {
    const WithInterpreter locked;
    if (!locked.held()) return Error{Code::kShutDown, "the Python interpreter has ended"};
    const Status status = call(static_cast<PyObject*>(held.get()), input.rows, output);
    give_up_left_references();
    return status;
  };
  return backend::make_callable(score, given);
}

}  // namespace spinney::binding
