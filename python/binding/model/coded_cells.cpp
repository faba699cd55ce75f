#include "binding/model/coded_cells.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/model/model.h"

namespace spinney::binding {
namespace {

using columns::Coder;

bool refuse(const Error& error) {
  PyErr_Clear();
  raise(error);
  return false;
}

std::string shown(PyObject* cell) {
  if (!PyUnicode_Check(cell)) return std::string("a ") + Py_TYPE(cell)->tp_name;
  const Owned bytes(PyUnicode_AsEncodedString(cell, "utf-8", "backslashreplace"));
  if (!bytes) PyErr_Clear();
  if (!bytes) return "a text";
  return "the text " + spinney::quoted({PyBytes_AS_STRING(bytes.get()),
                                        static_cast<size_t>(PyBytes_GET_SIZE(bytes.get()))});
}

bool wrong_kind(const Coder& coder, PyObject* cell, size_t row, size_t column) {
  return refuse(coder.wrong_kind(row, column, shown(cell)));
}

bool code_missing(const Coder& coder, size_t row, size_t column, double& out) {
  return coder.missing(column, out) || refuse(coder.no_value(row, column));
}

bool code_bytes(const Coder& coder, std::string_view text, size_t row, size_t column, double& out) {
  return coder.text(column, text, out) || refuse(coder.unknown_text(row, column, text));
}

// Whose lone surrogates have no encoding of their own.
bool code_surrogates(const Coder& coder, PyObject* cell, size_t row, size_t column, double& out) {
  PyErr_Clear();
  const Owned bytes(PyUnicode_AsEncodedString(cell, "utf-8", "surrogatepass"));
  if (!bytes) return false;
  const std::string_view text(PyBytes_AS_STRING(bytes.get()),
                              static_cast<size_t>(PyBytes_GET_SIZE(bytes.get())));
  if (coder.text(column, text, out)) return true;
  return wrong_kind(coder, cell, row, column);  // which shows it in words that can be encoded
}

bool code_text(const Coder& coder, PyObject* cell, size_t row, size_t column, double& out) {
  if (!PyUnicode_Check(cell))
    return is_missing_cell(cell) ? code_missing(coder, row, column, out)
                                 : wrong_kind(coder, cell, row, column);
  // ASCII lies as UTF-8 already; of other texts the object would keep a copy for good.
  if (PyUnicode_IS_COMPACT_ASCII(cell))
    return code_bytes(coder,
                      {static_cast<const char*>(PyUnicode_DATA(cell)),
                       static_cast<size_t>(PyUnicode_GET_LENGTH(cell))},
                      row, column, out);
  const Owned bytes(PyUnicode_AsUTF8String(cell));
  if (!bytes) return code_surrogates(coder, cell, row, column, out);
  return code_bytes(
      coder, {PyBytes_AS_STRING(bytes.get()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.get()))},
      row, column, out);
}

bool code_number(const Coder& coder, PyObject* cell, size_t row, size_t column, double& out) {
  double value = 0;
  if (PyFloat_Check(cell)) {
    value = PyFloat_AS_DOUBLE(cell);
  } else if (PyLong_CheckExact(cell)) {
    value = PyLong_AsDouble(cell);
    if (value == -1 && PyErr_Occurred()) return wrong_kind(coder, cell, row, column);
  } else if (is_missing_cell(cell)) {
    return code_missing(coder, row, column, out);
  } else if (PyUnicode_Check(cell) || PyBytes_Check(cell) || PyArray_IsScalar(cell, Datetime) ||
             PyArray_IsScalar(cell, Timedelta) || PyArray_IsScalar(cell, ComplexFloating)) {
    return wrong_kind(coder, cell, row, column);
  } else {
    value = PyFloat_AsDouble(cell);
    if (value == -1 && PyErr_Occurred()) {
      if (!PyErr_ExceptionMatches(PyExc_Exception)) return false;
      return wrong_kind(coder, cell, row, column);
    }
  }
  if (coder.number(column, value, out)) return true;
  return refuse(std::isnan(value) ? coder.no_value(row, column)
                                  : coder.no_boolean(row, column, value));
}

}  // namespace

bool is_missing_cell(PyObject* cell) {
  if (cell == Py_None) return true;
  if (PyFloat_Check(cell)) return std::isnan(PyFloat_AS_DOUBLE(cell));
  const char* name = std::strrchr(Py_TYPE(cell)->tp_name, '.');
  name = name ? name + 1 : Py_TYPE(cell)->tp_name;
  if (std::strcmp(name, "NAType") == 0 || std::strcmp(name, "NaTType") == 0) return true;
  if (!PyArray_IsScalar(cell, Floating)) return false;
  const double value = PyFloat_AsDouble(cell);
  if (value == -1 && PyErr_Occurred()) PyErr_Clear();
  return std::isnan(value);
}

bool plain_cell(PyObject* cell, double& out) {
  if (PyFloat_CheckExact(cell) || PyArray_IsScalar(cell, Double)) {
    out = PyFloat_AS_DOUBLE(cell);
    return true;
  }
  if (PyLong_CheckExact(cell)) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(cell, &overflow);
    constexpr long long kWhole = 1LL << 53;
    if (overflow || value > kWhole || value < -kWhole) return false;
    out = static_cast<double>(value);
    return true;
  }
  if (cell == Py_None) {
    out = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  if (!PyBool_Check(cell)) return false;
  out = cell == Py_True ? 1 : 0;
  return true;
}

bool code_cell(const Coder& coder, PyObject* cell, size_t row, size_t column, double& out) {
  return coder.kind(column) == ColumnKind::kText ? code_text(coder, cell, row, column, out)
                                                 : code_number(coder, cell, row, column, out);
}

PyObject* code_column(const Coder& coder, size_t column, PyObject* cells) {
  if (!PyList_CheckExact(cells) || column >= coder.width()) {
    PyErr_SetString(PyExc_TypeError, "a column's number and a list of its cells are expected");
    return nullptr;
  }
  npy_intp shape[1] = {PyList_GET_SIZE(cells)};
  Owned made(PyArray_SimpleNew(1, shape, NPY_DOUBLE));
  if (!made) return nullptr;
  auto* out = static_cast<double*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(made.get())));
  for (Py_ssize_t r = 0; r < shape[0]; ++r) {
    // A cell's own code may change the list.
    if (r >= PyList_GET_SIZE(cells)) return raise(invalid_argument("x changed as it was read"));
    PyObject* cell = PyList_GET_ITEM(cells, r);
    Py_INCREF(cell);
    const Owned kept(cell);
    if (!code_cell(coder, cell, static_cast<size_t>(r), column, out[r])) return nullptr;
  }
  return made.release();
}

}  // namespace spinney::binding
