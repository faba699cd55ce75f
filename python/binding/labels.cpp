#include "binding/labels.h"

#include <cstring>
#include <type_traits>

#include "binding/numpy_api.h"

namespace spinney::binding {
namespace {

PyObject* python_value(int64_t value, bool is_bool) {
  return is_bool ? PyBool_FromLong(value != 0) : PyLong_FromLongLong(value);
}
PyObject* python_value(double value, bool) { return PyFloat_FromDouble(value); }
PyObject* python_value(const std::string& value, bool) {
  return PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "replace");
}

}  // namespace

PyObject* make_label_array(const Labels& labels) {
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(labels.size()));
  if (!list) return nullptr;
  const bool filled = std::visit(
      [&](const auto& values) {
        for (size_t i = 0; i < values.size(); ++i) {
          PyObject* value = python_value(values[i], labels.is_bool);
          if (!value) return false;
          PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), value);
        }
        return true;
      },
      labels.values);
  PyObject* array = nullptr;
  if (filled) {
    PyObject* text = PyUnicode_FromString(labels.is_bool ? "?" : labels.dtype.c_str());
    PyArray_Descr* descr = nullptr;
    if (text && PyArray_DescrConverter(text, &descr))
      array = PyArray_FromAny(list, descr, 1, 1, NPY_ARRAY_CARRAY | NPY_ARRAY_FORCECAST, nullptr);
    Py_XDECREF(text);
  }
  Py_DECREF(list);
  // A model never changes: predict reads this very array, which classes_ shows.
  if (array) PyArray_CLEARFLAGS(reinterpret_cast<PyArrayObject*>(array), NPY_ARRAY_WRITEABLE);
  return array;
}

void gather_labels(PyObject* labels, const int32_t* numbers, size_t n, size_t stride, PyObject* out,
                   size_t first) {
  auto* from = reinterpret_cast<PyArrayObject*>(labels);
  auto* to = reinterpret_cast<PyArrayObject*>(out);
  const auto size = static_cast<size_t>(PyArray_ITEMSIZE(from));
  const char* source = PyArray_BYTES(from);
  char* target = PyArray_BYTES(to) + first * size;
  if (PyArray_TYPE(from) == NPY_OBJECT) {
    for (size_t i = 0; i < n; ++i) {
      PyObject* label = reinterpret_cast<PyObject* const*>(source)[numbers[i * stride]];
      PyObject** place = reinterpret_cast<PyObject**>(target) + i * stride;
      Py_INCREF(label);
      Py_XSETREF(*place, label);
    }
  } else if (size == 8) {
    for (size_t i = 0; i < n; ++i)
      std::memcpy(target + i * stride * 8, source + size_t(numbers[i * stride]) * 8, 8);
  } else {
    for (size_t i = 0; i < n; ++i)
      std::memcpy(target + i * stride * size, source + size_t(numbers[i * stride]) * size, size);
  }
}

}  // namespace spinney::binding
