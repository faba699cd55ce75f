#include "binding/predict.h"

#include <nanobind/nanobind.h>

#include <array>
#include <string>

#include "binding/errors.h"
#include "binding/labels.h"
#include "binding/model.h"
#include "binding/numpy_api.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

struct Call {
  PyObject* x = nullptr;
  PredictOptions options;
};

bool read_option(PyObject* name, PyObject* value, Call& call) {
  if (PyUnicode_CompareWithASCIIString(name, "x") == 0 && !call.x) {
    call.x = value;
    return true;
  }
  if (PyUnicode_CompareWithASCIIString(name, "num_threads") == 0) {
    if (value == Py_None) return true;
    const long n = PyLong_AsLong(value);
    if (n == -1 && PyErr_Occurred()) return false;
    if (n >= 1 && n <= 4096) {
      call.options.num_threads = static_cast<unsigned>(n);
      return true;
    }
    raise(invalid_argument("num_threads is " + std::to_string(n) +
                           "; give 1 to 4096, or None for as many as are worth it"));
    return false;
  }
  if (PyUnicode_CompareWithASCIIString(name, "strict") == 0) {
    const int strict = PyObject_IsTrue(value);
    call.options.strict = strict == 1;
    return strict >= 0;
  }
  PyErr_Format(PyExc_TypeError, "unexpected keyword argument '%U'", name);
  return false;
}

bool read_call(PyObject* const* args, Py_ssize_t count, PyObject* names, Call& call) {
  if (count > 1) {
    PyErr_Format(PyExc_TypeError, "only x may be given by position, but %zd arguments were", count);
    return false;
  }
  if (count == 1) call.x = args[0];
  const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t i = 0; i < named; ++i)
    if (!read_option(PyTuple_GET_ITEM(names, i), args[count + i], call)) return false;
  if (!call.x) PyErr_SetString(PyExc_TypeError, "missing the argument x, the rows to predict");
  return call.x != nullptr;
}

bool read_rows(PyObject* x, Rows& rows) {
  if (!PyArray_Check(x)) {
    raise(invalid_argument("x must be a numpy array, not " + std::string(Py_TYPE(x)->tp_name)));
    return false;
  }
  auto* array = reinterpret_cast<PyArrayObject*>(x);
  const int type = PyArray_TYPE(array);
  if (PyArray_NDIM(array) != 2 || (type != NPY_FLOAT && type != NPY_DOUBLE) ||
      !PyArray_ISBEHAVED_RO(array)) {
    raise(invalid_argument("x must be a 2-D array of float32 or float64"));
    return false;
  }
  rows.data = PyArray_DATA(array);
  rows.type = type == NPY_FLOAT ? NumberType::kFloat32 : NumberType::kFloat64;
  rows.count = static_cast<size_t>(PyArray_DIM(array, 0));
  rows.width = static_cast<size_t>(PyArray_DIM(array, 1));
  rows.row_stride = PyArray_STRIDE(array, 0);
  rows.column_stride = PyArray_STRIDE(array, 1);
  return true;
}

PyObject* new_array(size_t rows, size_t columns, bool flat, int type) {
  npy_intp shape[2] = {static_cast<npy_intp>(rows), static_cast<npy_intp>(columns)};
  return PyArray_SimpleNew(flat ? 1 : 2, shape, type);
}

int numpy_type(NumberType type) { return type == NumberType::kFloat32 ? NPY_FLOAT : NPY_DOUBLE; }

// Runs `work` (no Python inside), with the interpreter free for other threads where it takes long
// enough for that to pay.
template <typename Work>
Status run(const Rows& rows, Work&& work) {
  if (rows.count < 64) return work();
  PyThreadState* state = PyEval_SaveThread();
  Status status = work();
  PyEval_RestoreThread(state);
  return status;
}

enum class Answer { kRaw, kValues, kProbabilities, kLeaves };

PyObject* numbers(const BoundModel& bound, const Rows& rows, const Call& call, Answer answer) {
  const Model& model = bound.model;
  const Output& output = model.description().output;
  const size_t columns = answer == Answer::kRaw      ? model.n_outputs()
                         : answer == Answer::kValues ? model.value_columns()
                         : answer == Answer::kLeaves ? model.description().n_trees()
                                                     : model.probability_columns();
  const bool may_flatten = answer == Answer::kRaw || answer == Answer::kValues;
  const int type = answer == Answer::kLeaves ? NPY_INT32
                   : answer == Answer::kRaw  ? numpy_type(model.description().score_type())
                                             : numpy_type(output.value_type);
  const bool flat = may_flatten && columns == 1 && !output.keep_column_axis;
  PyObject* result = new_array(rows.count, columns, flat, type);
  if (!result) return nullptr;
  void* data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(result));
  const Status status = run(rows, [&]() -> Status {
    switch (answer) {
      case Answer::kRaw:
        return model.predict_raw(rows, data, call.options);
      case Answer::kValues:
        return model.predict_values(rows, data, call.options);
      case Answer::kProbabilities:
        return model.predict_proba(rows, data, call.options);
      case Answer::kLeaves:
        return model.predict_leaf(rows, static_cast<int32_t*>(data), call.options);
    }
    return {};
  });
  if (status.ok()) return result;
  Py_DECREF(result);
  return raise(status.error());
}

PyObject* labels_of(const BoundModel& bound, const Rows& rows, const Call& call) {
  const Model& model = bound.model;
  const size_t targets = model.target_columns();
  std::array<int32_t, 64> few;
  std::vector<int32_t> many(rows.count * targets > few.size() ? rows.count * targets : 0);
  int32_t* classes = many.empty() ? few.data() : many.data();
  const Status status =
      run(rows, [&] { return model.predict_classes(rows, classes, call.options); });
  if (!status.ok()) return raise(status.error());
  const bool flat = targets == 1 && !model.description().output.keep_column_axis;
  npy_intp shape[2] = {static_cast<npy_intp>(rows.count), static_cast<npy_intp>(targets)};
  if (bound.classes.empty() || model.description().output.decision == Decision::kOutlier) {
    PyObject* result = PyArray_SimpleNew(flat ? 1 : 2, shape, NPY_INT64);
    if (!result) return nullptr;
    auto* out = static_cast<int64_t*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(result)));
    std::copy(classes, classes + rows.count * targets, out);
    return result;
  }
  auto* descr = PyArray_DESCR(reinterpret_cast<PyArrayObject*>(bound.classes[0].get()));
  Py_INCREF(descr);
  PyObject* result = PyArray_Zeros(flat ? 1 : 2, shape, descr, 0);
  if (!result) return nullptr;
  for (size_t t = 0; t < targets; ++t)
    gather_labels(bound.classes[t].get(), classes + t, rows.count, targets, result, t);
  return result;
}

template <typename Predict>
PyObject* with_call(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names,
                    Predict&& predict) {
  if (!nb::inst_ready(self)) {
    PyErr_SetString(PyExc_TypeError, "this Model was never loaded; use spinney.load");
    return nullptr;
  }
  const BoundModel& bound = *nb::inst_ptr<BoundModel>(self);
  Call call;
  Rows rows;
  if (!read_call(args, count, names, call) || !read_rows(call.x, rows)) return nullptr;
  try {
    return predict(bound, rows, call);
  } catch (const std::exception&) {  // bad_alloc and length_error: the core throws nothing else
    return PyErr_NoMemory();
  }
}

template <Answer kAnswer>
PyObject* predict_numbers(PyObject* self, PyObject* const* args, Py_ssize_t count,
                          PyObject* names) {
  return with_call(self, args, count, names,
                   [](const BoundModel& bound, const Rows& rows, const Call& call) {
                     return numbers(bound, rows, call, kAnswer);
                   });
}

PyObject* predict(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return with_call(self, args, count, names,
                   [](const BoundModel& bound, const Rows& rows, const Call& call) {
                     if (bound.model.description().output.decision == Decision::kValues)
                       return numbers(bound, rows, call, Answer::kValues);
                     return labels_of(bound, rows, call);
                   });
}

using Method = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
PyMethodDef method(const char* name, Method function, const char* doc) {
  // The interpreter calls a METH_FASTCALL | METH_KEYWORDS method by this very signature.
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
          METH_FASTCALL | METH_KEYWORDS, doc};
}

}  // namespace

PyMethodDef kPredictMethods[] = {
    method("predict", predict,
           "predict($self, x, *, num_threads=None, strict=False)\n--\n\n"
           "What the saved object's own predict gives, in its dtype and shape."),
    method("predict_raw", predict_numbers<Answer::kRaw>,
           "predict_raw($self, x, *, num_threads=None, strict=False)\n--\n\n"
           "The library's raw scores (margins) before any link."),
    method("predict_proba", predict_numbers<Answer::kProbabilities>,
           "predict_proba($self, x, *, num_threads=None, strict=False)\n--\n\n"
           "Class probabilities, shape (rows, classes)."),
    method("predict_leaf", predict_numbers<Answer::kLeaves>,
           "predict_leaf($self, x, *, num_threads=None, strict=False)\n--\n\n"
           "The leaf that each row reaches in each tree, int32, shape (rows, trees)."),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace spinney::binding
