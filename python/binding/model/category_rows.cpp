#include "binding/model/category_rows.h"

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/numpy_api.h"
#include "spinney/model/category_hash.h"

namespace spinney::binding {
namespace {

// Where a cell is, for messages.
struct Place {
  size_t row, column;
};

bool refuse(PyObject* cell, Place place, const char* what) {
  PyErr_Clear();
  raise(invalid_argument("row " + std::to_string(place.row) + ", column " +
                         std::to_string(place.column) + " holds a " + Py_TYPE(cell)->tp_name +
                         what));
  return false;
}

bool refuse_category(PyObject* cell, Place place) {
  return refuse(cell, place,
                ", and the model has categories there: a text, a whole number or a boolean is "
                "expected, as CatBoost takes them");
}

double hash_number(std::string_view text) { return static_cast<double>(category_hash(text)); }

bool hash_integer(PyObject* cell, Place place, double& out) {
  const Owned index(PyNumber_Index(cell));
  if (!index) return refuse_category(cell, place);
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  if (overflow) {
    const Owned text(PyObject_Str(index.get()));
    const char* written = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
    if (!written) return refuse_category(cell, place);
    out = hash_number(written);
    return true;
  }
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out = hash_number({digits, static_cast<size_t>(end - digits)});
  return true;
}

bool hash_cell(PyObject* cell, Place place, double& out) {
  if (PyUnicode_Check(cell)) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(cell, &size);
    if (!text) return refuse(cell, place, " that is no text in UTF-8");
    out = hash_number({text, static_cast<size_t>(size)});
    return true;
  }
  if (PyBytes_Check(cell)) {
    out = hash_number({PyBytes_AS_STRING(cell), static_cast<size_t>(PyBytes_GET_SIZE(cell))});
    return true;
  }
  if (PyBool_Check(cell) || PyArray_IsScalar(cell, Bool)) {
    const int truth = PyObject_IsTrue(cell);
    if (truth < 0) return false;
    out = hash_number(truth ? "1" : "0");
    return true;
  }
  if (PyLong_Check(cell) || PyArray_IsScalar(cell, Integer)) return hash_integer(cell, place, out);
  return refuse_category(cell, place);
}

bool read_number(PyObject* cell, Place place, double& out) {
  if (PyFloat_CheckExact(cell)) {
    out = PyFloat_AS_DOUBLE(cell);
    return true;
  }
  if (cell == Py_None) {
    out = std::nan("");
    return true;
  }
  if (PyUnicode_Check(cell) || PyBytes_Check(cell)) {
    const Owned number(PyFloat_FromString(cell));
    if (!number) return refuse(cell, place, " that is no number");
    out = PyFloat_AS_DOUBLE(number.get());
    return true;
  }
  out = PyFloat_AsDouble(cell);
  if (out == -1 && PyErr_Occurred()) return refuse(cell, place, " that is no number");
  return true;
}

bool read_cell(PyObject* cell, bool category, Place place, double& out) {
  return category ? hash_cell(cell, place, out) : read_number(cell, place, out);
}

PyObject* too_short() { return raise(invalid_argument("x was changed while it was read")); }

PyObject* new_rows(size_t count, size_t width) {
  npy_intp shape[2] = {static_cast<npy_intp>(count), static_cast<npy_intp>(width)};
  return PyArray_SimpleNew(2, shape, NPY_DOUBLE);
}

double* numbers_of(PyObject* array) {
  return static_cast<double*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)));
}

std::vector<bool> categories_among(const BoundModel& bound) {
  std::vector<bool> found(bound.model.n_features());
  for (const uint32_t column : bound.model.description().category_tables->categories)
    found[column] = true;
  return found;
}

bool is_row(PyObject* row) { return PyList_CheckExact(row) || PyTuple_CheckExact(row); }

PyObject* rows_of_lists(const BoundModel& bound, PyObject* x) {
  const auto count = static_cast<size_t>(PySequence_Fast_GET_SIZE(x));
  const size_t width = bound.model.n_features();
  for (size_t r = 0; r < count; ++r) {
    PyObject* row = PySequence_Fast_GET_ITEM(x, static_cast<Py_ssize_t>(r));
    if (!is_row(row)) return nullptr;
    if (static_cast<size_t>(PySequence_Fast_GET_SIZE(row)) != width)
      return raise(invalid_argument(
          "row " + std::to_string(r) + " has " + std::to_string(PySequence_Fast_GET_SIZE(row)) +
          " values, but the model was trained on " + std::to_string(width) + " features"));
  }
  const std::vector<bool> categories = categories_among(bound);
  Owned made(new_rows(count, width));
  if (!made) return nullptr;
  double* out = numbers_of(made.get());
  for (size_t r = 0; r < count; ++r)
    for (size_t c = 0; c < width; ++c) {
      // Converting a cell may run Python code, which may change the lists.
      if (r >= static_cast<size_t>(PySequence_Fast_GET_SIZE(x))) return too_short();
      PyObject* row = PySequence_Fast_GET_ITEM(x, static_cast<Py_ssize_t>(r));
      if (!is_row(row) || c >= static_cast<size_t>(PySequence_Fast_GET_SIZE(row)))
        return too_short();
      const Owned cell(new_reference(PySequence_Fast_GET_ITEM(row, static_cast<Py_ssize_t>(c))));
      if (!read_cell(cell.get(), categories[c], {r, c}, *out++)) return nullptr;
    }
  return made.release();
}

PyObject* rows_of_array(const BoundModel& bound, PyArrayObject* array) {
  const auto count = static_cast<size_t>(PyArray_DIM(array, 0));
  const auto width = static_cast<size_t>(PyArray_DIM(array, 1));
  Owned made(new_rows(count, width));
  if (!made || width != bound.model.n_features()) return made.release();  // refused by its width
  const std::vector<bool> categories = categories_among(bound);
  double* out = numbers_of(made.get());
  for (size_t r = 0; r < count; ++r)
    for (size_t c = 0; c < width; ++c) {
      PyObject* cell = *static_cast<PyObject**>(
          PyArray_GETPTR2(array, static_cast<npy_intp>(r), static_cast<npy_intp>(c)));
      const Owned kept(new_reference(cell ? cell : Py_None));
      if (!read_cell(kept.get(), categories[c], {r, c}, *out++)) return nullptr;
    }
  return made.release();
}

}  // namespace

PyObject* hashed_rows(const BoundModel& bound, PyObject* x) {
  if (PyArray_CheckExact(x)) {
    auto* array = reinterpret_cast<PyArrayObject*>(x);
    if (PyArray_TYPE(array) != NPY_OBJECT || PyArray_NDIM(array) != 2 ||
        !PyArray_ISBEHAVED_RO(array))
      return nullptr;
    return rows_of_array(bound, array);
  }
  if (!is_row(x) || PySequence_Fast_GET_SIZE(x) == 0) return nullptr;
  return rows_of_lists(bound, x);
}

PyObject* hashed_column(PyObject* cells) {
  if (!PyList_CheckExact(cells)) {
    PyErr_SetString(PyExc_TypeError, "a list of categories is expected");
    return nullptr;
  }
  const auto count = static_cast<size_t>(PyList_GET_SIZE(cells));
  npy_intp shape[1] = {static_cast<npy_intp>(count)};
  Owned made(PyArray_SimpleNew(1, shape, NPY_DOUBLE));
  if (!made) return nullptr;
  double* out = numbers_of(made.get());
  for (size_t r = 0; r < count; ++r) {
    if (r >= static_cast<size_t>(PyList_GET_SIZE(cells))) return too_short();
    const Owned cell(new_reference(PyList_GET_ITEM(cells, static_cast<Py_ssize_t>(r))));
    if (!hash_cell(cell.get(), {r, 0}, out[r])) return nullptr;
  }
  return made.release();
}

}  // namespace spinney::binding
