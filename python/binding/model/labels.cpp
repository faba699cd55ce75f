#include "binding/model/labels.h"

#include <cstring>
#include <string>
#include <type_traits>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/numpy_api.h"
#include "spinney/model/label_type.h"

namespace spinney::binding {
namespace {

PyObject* python_value(int64_t value, LabelKind kind) {
  return kind == LabelKind::kBool ? PyBool_FromLong(value != 0) : PyLong_FromLongLong(value);
}
PyObject* python_value(double value, LabelKind) { return PyFloat_FromDouble(value); }
PyObject* python_value(const std::string& value, LabelKind kind) {
  const auto size = static_cast<Py_ssize_t>(value.size());
  if (kind == LabelKind::kBytes) return PyBytes_FromStringAndSize(value.data(), size);
  return PyUnicode_DecodeUTF8(value.data(), size, "replace");
}

// The plain dtype that a label's type stands for, in the byte order of the file: numbers, texts and
// bytes hold no references, and objects are known as such where they are copied.
PyArray_Descr* descr_of(const LabelType& type) {
  if (type.kind == LabelKind::kObject) return PyArray_DescrFromType(NPY_OBJECT);
  if (type.kind == LabelKind::kBool) return PyArray_DescrFromType(NPY_BOOL);
  constexpr const char* kLetters = "biufUS";
  std::string name(1, type.big_endian ? '>' : '<');
  name.push_back(kLetters[static_cast<size_t>(type.kind)]);
  name.append(std::to_string(type.size));
  PyObject* text = PyUnicode_FromString(name.c_str());
  PyArray_Descr* descr = nullptr;
  if (text && !PyArray_DescrConverter(text, &descr)) descr = nullptr;
  Py_XDECREF(text);
  return descr;
}

}  // namespace

PyObject* make_label_array(const Labels& labels) {
  // make_description() has checked it; what reaches numpy must not depend on who called that.
  const Result<LabelType> type = parse_label_type(labels.dtype);
  if (!type.ok()) {
    raise(type.error());
    return nullptr;
  }
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(labels.size()));
  if (!list) return nullptr;
  const bool filled = std::visit(
      [&](const auto& values) {
        for (size_t i = 0; i < values.size(); ++i) {
          PyObject* value = python_value(values[i], type->kind);
          if (!value) return false;
          PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), value);
        }
        return true;
      },
      labels.values);
  PyObject* array = nullptr;
  if (filled) {
    PyArray_Descr* descr = descr_of(*type);
    if (descr)
      array = PyArray_FromAny(list, descr, 1, 1, NPY_ARRAY_CARRAY | NPY_ARRAY_FORCECAST, nullptr);
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
