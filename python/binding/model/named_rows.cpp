#include "binding/model/named_rows.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/model/coded_cells.h"
#include "spinney/base/utf8.h"

namespace spinney::binding {
namespace {

// Models whose columns are all found by plain names, and take plain numbers.
bool finds_names(const Description& model) {
  if (model.category_tables || !model.categories.empty() || !model.number_codes.empty())
    return false;
  std::set<std::string_view> seen;
  for (const std::string& name : model.feature_names)
    if (name.empty() || !seen.insert(name).second) return false;
  return !model.feature_names.empty();
}

PyObject* new_array(size_t count, size_t width, NumberType type) {
  npy_intp shape[2] = {static_cast<npy_intp>(count), static_cast<npy_intp>(width)};
  return PyArray_SimpleNew(2, shape, type == NumberType::kFloat32 ? NPY_FLOAT : NPY_DOUBLE);
}

// A row of numbers for one of the array's.
void store(PyObject* array, size_t row, const std::vector<double>& values) {
  auto* made = reinterpret_cast<PyArrayObject*>(array);
  const size_t width = values.size();
  if (PyArray_TYPE(made) == NPY_DOUBLE) {
    double* out = static_cast<double*>(PyArray_DATA(made)) + row * width;
    for (size_t c = 0; c < width; ++c) out[c] = values[c];
  } else {
    float* out = static_cast<float*>(PyArray_DATA(made)) + row * width;
    for (size_t c = 0; c < width; ++c) out[c] = static_cast<float>(values[c]);
  }
}

enum class Read { kDone, kOther, kFailed };

Read refuse_dict(size_t row, const std::string& what) {
  raise(invalid_argument("row " + std::to_string(row) + what));
  return Read::kFailed;
}

// A key that a dict lacks.
Read lacking(const columns::Coder& coder, size_t row, size_t column, double& out) {
  if (coder.missing(column, out)) return Read::kDone;
  return refuse_dict(row, " lacks " + spinney::quoted(coder.schema().columns[column].name) +
                              ", and the model has no rule for missing values there");
}

// Whether a dict's value may be a column: it has a length, and is no text. spinney.rows knows.
bool may_be_column(PyObject* cell) {
  const PyTypeObject* type = Py_TYPE(cell);
  const bool has_length = (type->tp_as_sequence && type->tp_as_sequence->sq_length) ||
                          (type->tp_as_mapping && type->tp_as_mapping->mp_length);
  return has_length && !PyUnicode_Check(cell) && !PyBytes_Check(cell) &&
         !PyArray_IsScalar(cell, Generic);
}

Read read_dict(const NamedColumns& columns, PyObject* dict, size_t row,
               std::vector<double>& values) {
  if (!columns.coder && columns.no_extras &&
      static_cast<size_t>(PyDict_GET_SIZE(dict)) != values.size())
    return Read::kOther;
  if (columns.coder && PyDict_GET_SIZE(dict) == 0)
    return refuse_dict(row, " is an empty dict; expected values by the names of the columns");
  size_t found = 0;
  for (size_t c = 0; c < values.size(); ++c) {
    PyObject* cell = PyDict_GetItemWithError(dict, columns.names[c].get());
    if (!cell) {
      if (PyErr_Occurred()) return Read::kFailed;
      if (!columns.coder) return Read::kOther;
      const Read read = lacking(*columns.coder, row, c, values[c]);
      if (read != Read::kDone) return read;
      continue;
    }
    ++found;
    if (!columns.coder) {
      if (!plain_cell(cell, values[c])) return Read::kOther;
      continue;
    }
    if (may_be_column(cell)) return Read::kOther;
    const Owned kept(new_reference(cell));
    if (!code_cell(*columns.coder, cell, row, c, values[c])) return Read::kFailed;
  }
  if (found > 0) return Read::kDone;
  if (!columns.coder) return Read::kOther;
  return refuse_dict(row, " has none of the model's columns, the first of which is " +
                              spinney::quoted(columns.coder->schema().columns[0].name));
}

bool is_row(PyObject* row) { return PyList_CheckExact(row) || PyTuple_CheckExact(row); }

// Whether x is a list or tuple each of whose items `fits`, and has one.
template <typename Fits>
bool lists(PyObject* x, Fits&& fits) {
  if (!is_row(x) || PySequence_Fast_GET_SIZE(x) == 0) return false;
  for (Py_ssize_t r = 0; r < PySequence_Fast_GET_SIZE(x); ++r)
    if (!fits(PySequence_Fast_GET_ITEM(x, r))) return false;
  return true;
}

PyObject* changed() { return raise(invalid_argument("x changed as it was read")); }

// Cells in two dimensions, which at(row, column) gives a new reference of, or null if there is none
// any more.
template <typename At>
PyObject* rows_of(const columns::Coder& coder, size_t count, size_t width, At&& at) {
  if (width != coder.width())
    return raise(invalid_argument("rows of " + std::to_string(coder.width()) +
                                  " values are expected, and x has " + std::to_string(width)));
  Owned made(new_array(count, width, NumberType::kFloat64));
  if (!made) return nullptr;
  auto* out = static_cast<double*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(made.get())));
  for (size_t r = 0; r < count; ++r)
    for (size_t c = 0; c < width; ++c) {
      const Owned cell(at(static_cast<Py_ssize_t>(r), static_cast<Py_ssize_t>(c)));
      if (!cell) return changed();
      if (!code_cell(coder, cell.get(), r, c, *out++)) return nullptr;
    }
  return made.release();
}

}  // namespace

std::unique_ptr<NamedColumns> NamedColumns::make(const Model& model) {
  const Description& description = model.description();
  auto made = std::make_unique<NamedColumns>();
  if (description.schema) made->coder = std::make_unique<columns::Coder>(description.schema);
  const std::string& library = description.source.library;
  if (!finds_names(description)) return made;
  // Linear models of float32 go by what numpy finds for the values: spinney.rows asks it.
  if (!made->coder && &model.for_rows(NumberType::kFloat64) != &model) return made;
  made->no_extras = library == "lightgbm";
  made->type = library == "xgboost" && !made->coder ? NumberType::kFloat32 : NumberType::kFloat64;
  std::vector<Owned> names;
  for (const std::string& name : description.feature_names) {
    PyObject* text = PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()),
                                          made->coder ? "surrogatepass" : "strict");
    if (!text) {  // is_utf8() has the rule: names that are none are found by no dict's key
      PyErr_Clear();
      return made;
    }
    PyUnicode_InternInPlace(&text);
    names.emplace_back(text);
  }
  made->names = std::move(names);
  return made;
}

PyObject* named_rows(const NamedColumns& columns, PyObject* x) {
  if (columns.names.empty()) return nullptr;
  const bool one = PyDict_CheckExact(x);
  if (!one && !lists(x, [](PyObject* row) { return PyDict_CheckExact(row); })) return nullptr;
  const size_t count = one ? 1 : static_cast<size_t>(PySequence_Fast_GET_SIZE(x));
  std::vector<double> values(columns.names.size());
  Owned made(new_array(count, values.size(), columns.type));
  if (!made) return nullptr;
  for (size_t r = 0; r < count; ++r) {
    if (!one && r >= static_cast<size_t>(PySequence_Fast_GET_SIZE(x))) return changed();
    PyObject* row = one ? x : PySequence_Fast_GET_ITEM(x, static_cast<Py_ssize_t>(r));
    if (!PyDict_CheckExact(row)) return changed();
    const Owned kept(new_reference(row));
    if (read_dict(columns, row, r, values) != Read::kDone) return nullptr;
    store(made.get(), r, values);
  }
  return made.release();
}

PyObject* placed_rows(const NamedColumns& columns, PyObject* x) {
  if (!columns.coder) return nullptr;
  if (PyArray_CheckExact(x)) {
    auto* array = reinterpret_cast<PyArrayObject*>(x);
    if (PyArray_TYPE(array) != NPY_OBJECT || PyArray_NDIM(array) != 2 ||
        !PyArray_ISBEHAVED_RO(array))
      return nullptr;
    return rows_of(*columns.coder, static_cast<size_t>(PyArray_DIM(array, 0)),
                   static_cast<size_t>(PyArray_DIM(array, 1)), [&](npy_intp r, npy_intp c) {
                     PyObject* cell = *static_cast<PyObject**>(PyArray_GETPTR2(array, r, c));
                     return new_reference(cell ? cell : Py_None);
                   });
  }
  if (!lists(x, is_row)) return nullptr;
  const Py_ssize_t width = PySequence_Fast_GET_SIZE(PySequence_Fast_GET_ITEM(x, 0));
  if (!lists(x, [&](PyObject* row) { return PySequence_Fast_GET_SIZE(row) == width; }))
    return raise(invalid_argument("x is a list of rows that differ in length"));
  return rows_of(*columns.coder, static_cast<size_t>(PySequence_Fast_GET_SIZE(x)),
                 static_cast<size_t>(width), [&](Py_ssize_t r, Py_ssize_t c) -> PyObject* {
                   if (r >= PySequence_Fast_GET_SIZE(x)) return nullptr;
                   PyObject* row = PySequence_Fast_GET_ITEM(x, r);
                   if (!is_row(row) || c >= PySequence_Fast_GET_SIZE(row)) return nullptr;
                   return new_reference(PySequence_Fast_GET_ITEM(row, c));
                 });
}

}  // namespace spinney::binding
