#include "binding/model/answer.h"

#include <algorithm>
#include <cstring>

#include "binding/interpreter/numpy_api.h"
#include "binding/model/labels.h"

namespace spinney::binding {

void* data_of(PyObject* array) { return PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)); }

PyObject* new_numbers(const AnswerShape& shape, size_t rows) {
  npy_intp sizes[2] = {static_cast<npy_intp>(rows), static_cast<npy_intp>(shape.columns)};
  return PyArray_SimpleNew(shape.flat ? 1 : 2, sizes, shape.numpy_type);
}

PyObject* make_labels(const BoundModel& bound, const int32_t* classes, size_t rows) {
  const Output& output = bound.model.description().output;
  const size_t targets = bound.model.target_columns();
  const size_t n = rows * targets;
  npy_intp sizes[2] = {static_cast<npy_intp>(rows), static_cast<npy_intp>(targets)};
  const int rank = targets == 1 && !output.keep_column_axis ? 1 : 2;
  if (bound.classes.empty() || output.decision == Decision::kOutlier) {
    PyObject* result = PyArray_SimpleNew(rank, sizes, NPY_INT64);
    if (result) std::copy(classes, classes + n, static_cast<int64_t*>(data_of(result)));
    return result;
  }
  // As in scikit-learn, several targets share the dtype of the first one's labels.
  auto* descr = PyArray_DESCR(reinterpret_cast<PyArrayObject*>(bound.classes[0].get()));
  Py_INCREF(descr);
  PyObject* result = PyArray_Zeros(rank, sizes, descr, 0);
  if (!result) return nullptr;
  for (size_t t = 0; t < targets; ++t)
    gather_labels(bound.classes[t].get(), classes + t, rows, targets, result, t);
  return result;
}

namespace {

// Columns [first, first + n) of a 2-D array, as a view that keeps it alive.
PyObject* column_view(PyObject* array, size_t first, size_t n) {
  auto* whole = reinterpret_cast<PyArrayObject*>(array);
  npy_intp sizes[2] = {PyArray_DIM(whole, 0), static_cast<npy_intp>(n)};
  npy_intp strides[2] = {PyArray_STRIDE(whole, 0), PyArray_STRIDE(whole, 1)};
  char* begin = PyArray_BYTES(whole) + static_cast<npy_intp>(first) * strides[1];
  PyArray_Descr* descr = PyArray_DESCR(whole);
  Py_INCREF(descr);
  PyObject* view = PyArray_NewFromDescr(&PyArray_Type, descr, 2, sizes, strides, begin,
                                        NPY_ARRAY_WRITEABLE, nullptr);
  if (!view) return nullptr;
  PyArray_UpdateFlags(reinterpret_cast<PyArrayObject*>(view), NPY_ARRAY_UPDATE_ALL);
  Py_INCREF(array);
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(view), array) == 0) return view;
  Py_DECREF(view);
  return nullptr;
}

}  // namespace

PyObject* split_targets(const BoundModel& bound, PyObject* all) {
  const size_t targets = bound.classes.size();
  if (targets < 2 || bound.model.probability_columns() == targets) {
    Py_INCREF(all);
    return all;
  }
  const auto& labels = bound.model.description().output.labels;
  Owned list(PyList_New(static_cast<Py_ssize_t>(labels.size())));
  if (!list) return nullptr;
  size_t first = 0;
  for (size_t t = 0; t < labels.size(); ++t) {
    PyObject* view = column_view(all, first, labels[t].size());
    if (!view) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(t), view);
    first += labels[t].size();
  }
  return list.release();
}

PyObject* make_answer(const BoundModel& model, AnswerKind kind, const void* data, size_t rows,
                      NumberType row_type) {
  if (kind == AnswerKind::kClasses)
    return make_labels(model, static_cast<const int32_t*>(data), rows);
  const BoundModel& bound = model.for_rows(row_type);
  const Answer answer = kind == AnswerKind::kProba ? Answer::kProbabilities
                        : kind == AnswerKind::kRaw ? Answer::kRaw
                                                   : Answer::kValues;
  const AnswerShape& shape = bound.shapes[static_cast<size_t>(answer)];
  Owned all(new_numbers(shape, rows));
  if (!all) return nullptr;
  const AnswerShape& shared =
      (model.wide ? *model.wide : model).shapes[static_cast<size_t>(answer)];
  if (shared.numpy_type == shape.numpy_type) {
    std::memcpy(data_of(all.get()), data, rows * shape.row_bytes);
  } else {  // float32 numbers that the back end gave in float64
    const auto* numbers = static_cast<const double*>(data);
    std::transform(numbers, numbers + rows * shape.columns, static_cast<float*>(data_of(all.get())),
                   [](double number) { return static_cast<float>(number); });
  }
  if (kind == AnswerKind::kProba) return split_targets(bound, all.get());
  return all.release();
}

}  // namespace spinney::binding
