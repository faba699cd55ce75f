#include "binding/interpreter/errors.h"

namespace spinney::binding {
namespace {

// The only map from codes to exceptions. The classes live in spinney/exceptions.py.
const char* exception_name(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "InvalidInputError";
    case Code::kNotFound:
      return "ModelNotFoundError";
    case Code::kCorrupt:
      return "CorruptModelError";
    case Code::kUnsupported:
      return "UnsupportedModelError";
    case Code::kTooLarge:
      return "ModelTooLargeError";
    case Code::kIo:
      return "ModelIOError";
    case Code::kQueueFull:
      return "QueueFullError";
    case Code::kThrottled:
      return "ThrottledError";
    case Code::kExpired:
      return "RequestExpiredError";
    case Code::kCancelled:
      return "RequestCancelledError";
    case Code::kShutDown:
      return "EngineShutDownError";
    case Code::kInternal:
      return "ModelFailedError";
  }
  return "SpinneyError";
}

}  // namespace

PyObject* raise(const Error& error) {
  PyObject* module = PyImport_ImportModule("spinney.exceptions");
  if (!module) return nullptr;
  PyObject* type = PyObject_GetAttrString(module, exception_name(error.code));
  Py_DECREF(module);
  if (!type) return nullptr;
  // Messages may quote bytes of a broken file, which need not be UTF-8.
  PyObject* text = PyUnicode_DecodeUTF8(error.message.data(),
                                        static_cast<Py_ssize_t>(error.message.size()), "replace");
  if (text) PyErr_SetObject(type, text);
  Py_XDECREF(text);
  Py_DECREF(type);
  return nullptr;
}

PyObject* raise(const Error& error, int64_t retry_after_ns) {
  raise(error);
  if (retry_after_ns <= 0) return nullptr;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  PyObject* seconds = PyFloat_FromDouble(static_cast<double>(retry_after_ns) * 1e-9);
  if (!seconds || PyObject_SetAttrString(value, "retry_after", seconds) < 0) PyErr_Clear();
  Py_XDECREF(seconds);
  PyErr_Restore(type, value, trace);
  return nullptr;
}

}  // namespace spinney::binding
