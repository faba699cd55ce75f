#include "binding/model/input.h"

#include <algorithm>
#include <string>

#include "binding/interpreter/numpy_api.h"
#include "binding/model/category_rows.h"
#include "binding/model/convert.h"
#include "spinney/base/checked_size.h"

namespace spinney::binding {
namespace {

constexpr size_t kConversionBytes = size_t{4} << 20;

bool refuse(const std::string& message) {
  raise(invalid_argument(message));
  return false;
}

std::string text(PyObject* object) {
  const Owned written(PyObject_Str(object));
  const char* bytes = written ? PyUnicode_AsUTF8(written.get()) : nullptr;
  if (bytes) return bytes;
  PyErr_Clear();
  return "?";
}

std::string shape_text(PyArrayObject* array) {
  std::string out = "(";
  for (int i = 0; i < PyArray_NDIM(array); ++i)
    out += (i ? ", " : "") + std::to_string(PyArray_DIM(array, i));
  return out + (PyArray_NDIM(array) == 1 ? ",)" : ")");
}

bool refuse_rank(const BoundModel& bound, PyArrayObject* array) {
  const std::string wanted = std::to_string(bound.model.n_features());
  std::string message =
      "expected a 2-D array of shape (rows, " + wanted + "), but x has shape " + shape_text(array);
  if (PyArray_NDIM(array) == 1)
    message += "; for one row give x.reshape(1, -1), for one feature x.reshape(-1, 1)";
  return refuse(message);
}

bool refuse_type(PyArrayObject* array) {
  const std::string name = text(reinterpret_cast<PyObject*>(PyArray_DESCR(array)));
  std::string message = "expected numbers, but x has dtype " + name;
  if (PyArray_TYPE(array) == NPY_OBJECT)
    message += "; if it holds numbers, give x.astype(float)";
  else if (PyArray_ISCOMPLEX(array))
    message += "; give its real part or magnitude";
  else if (PyArray_ISSTRING(array))
    message += "; encode text as the training did";
  return refuse(message);
}

// Numbers in Python objects or written as text, which spinney.inputs reads.
bool holds_cells(PyArrayObject* array) {
  const char kind = PyArray_DESCR(array)->kind;
  return kind == 'O' || kind == 'U' || kind == 'S' || kind == 'T';
}

// Of two dimensions. In line, since the call would cost a single row a tenth of its time.
[[gnu::always_inline]] inline bool read_numbers(PyObject* x, const BoundModel& bound,
                                                Input& input) {
  auto* array = reinterpret_cast<PyArrayObject*>(x);
  const int type = PyArray_TYPE(array);
  input.count = static_cast<size_t>(PyArray_DIM(array, 0));
  input.width = static_cast<size_t>(PyArray_DIM(array, 1));
  const bool real = type == NPY_FLOAT || type == NPY_DOUBLE;
  const NumberType own = type == NPY_FLOAT ? NumberType::kFloat32 : NumberType::kFloat64;
  if (real && PyArray_ISBEHAVED_RO(array)) {
    input.rows = {PyArray_DATA(array),     own, input.count, input.width, PyArray_STRIDE(array, 0),
                  PyArray_STRIDE(array, 1)};
    return true;
  }
  if (!real && !PyTypeNum_ISINTEGER(type) && type != NPY_BOOL && type != NPY_HALF &&
      type != NPY_LONGDOUBLE)
    return false;
  input.kind = Input::Kind::kConverted;
  input.array = x;
  const bool small = type == NPY_HALF || type == NPY_BOOL ||
                     (PyTypeNum_ISINTEGER(type) && PyArray_ITEMSIZE(array) <= 2);
  input.converted_to = real ? own : small ? bound.small_cast_type : bound.cast_type;
  return true;
}

PyArrayObject* flat_array(PyObject* tuple, Py_ssize_t i) {
  PyObject* item = PyTuple_GET_ITEM(tuple, i);
  if (!PyArray_CheckExact(item)) return nullptr;
  auto* array = reinterpret_cast<PyArrayObject*>(item);
  const bool plain = PyArray_NDIM(array) == 1 && PyArray_ISCARRAY_RO(array);
  return plain ? array : nullptr;
}

// (values, columns, row_begin, width, by_matrix): the arrays of a CSR matrix. Of a DMatrix with
// base margins these come behind.
bool read_sparse(PyObject* tuple, Input& input) {
  const Py_ssize_t size = PyTuple_GET_SIZE(tuple);
  PyArrayObject* values = size == 5 || size == 6 ? flat_array(tuple, 0) : nullptr;
  if (size == 6) input.start = PyTuple_GET_ITEM(tuple, 5);
  PyArrayObject* columns = values ? flat_array(tuple, 1) : nullptr;
  PyArrayObject* begin = columns ? flat_array(tuple, 2) : nullptr;
  if (!begin) return refuse("sparse rows must come as contiguous arrays");
  const int type = PyArray_TYPE(values);
  const size_t width = PyLong_AsSize_t(PyTuple_GET_ITEM(tuple, 3));
  if (PyErr_Occurred()) return false;
  const auto is_index = [](PyArrayObject* a) {
    return PyArray_ISSIGNED(a) && (PyArray_ITEMSIZE(a) == 4 || PyArray_ITEMSIZE(a) == 8);
  };
  if ((type != NPY_FLOAT && type != NPY_DOUBLE) || !is_index(begin) || !is_index(columns) ||
      PyArray_ITEMSIZE(begin) != PyArray_ITEMSIZE(columns) || PyArray_DIM(begin, 0) < 1 ||
      PyArray_DIM(columns, 0) != PyArray_DIM(values, 0))
    return refuse("sparse rows have arrays of unexpected types or lengths");
  input.kind = Input::Kind::kSparse;
  input.by_matrix = PyTuple_GET_ITEM(tuple, 4) == Py_True;
  input.count = static_cast<size_t>(PyArray_DIM(begin, 0)) - 1;
  input.width = width;
  SparseRows& rows = input.sparse;
  rows.values = PyArray_DATA(values);
  rows.type = type == NPY_FLOAT ? NumberType::kFloat32 : NumberType::kFloat64;
  rows.value_count = static_cast<size_t>(PyArray_DIM(values, 0));
  rows.row_begin = PyArray_DATA(begin);
  rows.columns = PyArray_DATA(columns);
  rows.index_type = PyArray_ITEMSIZE(begin) == 4 ? IndexType::kInt32 : IndexType::kInt64;
  rows.count = input.count;
  rows.width = width;
  return true;
}

// spinney.inputs.prepare(model, x): an array, one in a tuple if it is of a kind that XGBoost makes
// a DMatrix of, or the tuple that read_sparse() takes.
PyObject* prepare(PyObject* self, PyObject* x) {
  const Owned module(PyImport_ImportModule("spinney.inputs"));
  if (!module) return nullptr;
  const Owned function(PyObject_GetAttrString(module.get(), "prepare"));
  if (!function) return nullptr;
  return PyObject_CallFunctionObjArgs(function.get(), self, x, nullptr);
}

// Rows of array from `first` on, as many as filled has.
bool convert_by_numpy(PyArrayObject* array, size_t first, PyArrayObject* filled) {
  npy_intp strides[2] = {PyArray_STRIDE(array, 0), PyArray_STRIDE(array, 1)};
  PyArray_Descr* descr = PyArray_DESCR(array);
  Py_INCREF(descr);
  char* begin = PyArray_BYTES(array) + static_cast<npy_intp>(first) * strides[0];
  const Owned slice(PyArray_NewFromDescr(&PyArray_Type, descr, 2, PyArray_DIMS(filled), strides,
                                         begin, 0, nullptr));
  if (!slice) return false;
  auto* view = reinterpret_cast<PyArrayObject*>(slice.get());
  PyArray_UpdateFlags(view, NPY_ARRAY_ALIGNED);
  return PyArray_CopyInto(filled, view) == 0;
}

// Whatever is no array of numbers in two dimensions. Apart, so that those find their way straight.
[[gnu::noinline]] bool read_other(PyObject* self, const BoundModel& bound, PyObject* x,
                                  Input& input) {
  if (PyArray_CheckExact(x)) {
    auto* array = reinterpret_cast<PyArrayObject*>(x);
    // Arrays of records are tables, whose columns have names. To models with texts numbers are of
    // the wrong kind in any shape.
    const bool no_cells = bound.columns->coder && bound.takes_cells && !holds_cells(array);
    if (PyArray_NDIM(array) != 2 && PyArray_TYPE(array) != NPY_VOID && !no_cells)
      return refuse_rank(bound, array);
    if (PyArray_NDIM(array) == 2 && !holds_cells(array) && !bound.takes_cells)
      return refuse_type(array);
  }
  if (bound.hashes_categories) {
    input.kept.reset(hashed_rows(bound, x));
    if (!input.kept && PyErr_Occurred()) return false;
  }
  if (!input.kept) {
    input.kept.reset(named_rows(*bound.columns, x));
    if (!input.kept && !PyErr_Occurred()) input.kept.reset(placed_rows(*bound.columns, x));
    if (!input.kept && PyErr_Occurred()) return false;
  }
  if (!input.kept) input.kept.reset(prepare(self, x));
  if (!input.kept) return false;
  PyObject* made = input.kept.get();
  if (PyTuple_CheckExact(made)) {
    if (PyTuple_GET_SIZE(made) != 1) return read_sparse(made, input);
    input.by_matrix = true;
    made = PyTuple_GET_ITEM(made, 0);
  }
  if (!PyArray_CheckExact(made))
    return refuse("spinney.inputs.prepare gave " + std::string(Py_TYPE(made)->tp_name));
  auto* array = reinterpret_cast<PyArrayObject*>(made);
  if (PyArray_NDIM(array) != 2) return refuse_rank(bound, array);
  return read_numbers(made, bound, input) || refuse_type(array);
}

}  // namespace

bool read_input(PyObject* self, const BoundModel& bound, PyObject* x, Input& input) {
  if (PyArray_CheckExact(x) && PyArray_NDIM(reinterpret_cast<PyArrayObject*>(x)) == 2 &&
      !bound.takes_cells && read_numbers(x, bound, input))
    return true;
  return read_other(self, bound, x, input);
}

size_t conversion_rows(const Input& input) {
  const size_t row_bytes = std::max<size_t>(
      1, checked_product(input.width, size_of(input.converted_to)).value_or(kSizeMax));
  return std::max<size_t>(1, kConversionBytes / row_bytes);
}

PyObject* convert_block(const Input& input, size_t first, size_t count, Rows& rows) {
  auto* array = reinterpret_cast<PyArrayObject*>(input.array);
  npy_intp shape[2] = {static_cast<npy_intp>(count), static_cast<npy_intp>(input.width)};
  const int type = input.converted_to == NumberType::kFloat32 ? NPY_FLOAT : NPY_DOUBLE;
  Owned block(PyArray_SimpleNew(2, shape, type));
  if (!block) return nullptr;
  auto* filled = reinterpret_cast<PyArrayObject*>(block.get());
  if (!convert_integers(array, first, count, input.converted_to, PyArray_DATA(filled)) &&
      !convert_by_numpy(array, first, filled))
    return nullptr;
  rows = {PyArray_DATA(filled), input.converted_to,        count,
          input.width,          PyArray_STRIDE(filled, 0), PyArray_STRIDE(filled, 1)};
  return block.release();
}

}  // namespace spinney::binding
