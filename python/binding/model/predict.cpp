#include "binding/model/predict.h"

#include <nanobind/nanobind.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/model/answer.h"
#include "binding/model/asked.h"
#include "binding/model/input.h"
#include "binding/model/model.h"
#include "spinney/base/checked_size.h"
#include "spinney/model/decision_function.h"
#include "spinney/model/graph.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

struct Call {
  PyObject* x = nullptr;
  bool asks_more = false;  // by keywords of Asked
  PredictOptions options;
};

bool read_option(PyObject* name, PyObject* value, Call& call) {
  if (PyUnicode_CompareWithASCIIString(name, "x") == 0 && !call.x) {
    call.x = value;
    return true;
  }
  if (PyUnicode_CompareWithASCIIString(name, "num_threads") == 0) {
    if (value == Py_None) return true;
    int overflow = 0;
    const long n = PyLong_AsLongAndOverflow(value, &overflow);
    if (n == -1 && PyErr_Occurred()) return false;
    if (n >= 1 && n <= 4096) {
      call.options.num_threads = static_cast<unsigned>(n);
      return true;
    }
    raise(invalid_argument("num_threads is " +
                           (overflow ? std::string("beyond a C long") : std::to_string(n)) +
                           "; give 1 to 4096, or None for as many as are worth it"));
    return false;
  }
  if (PyUnicode_CompareWithASCIIString(name, "strict") == 0) {
    const int strict = PyObject_IsTrue(value);
    call.options.strict = strict == 1;
    return strict >= 0;
  }
  Asked asked;
  if (asked.take(name, value)) return call.asks_more = true;
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

}  // namespace

PyObject* too_many(const Input& input) {
  PyErr_Clear();  // of an array that numpy would not make
  return raise(invalid_argument("x has " + std::to_string(input.count) +
                                " rows, of which memory cannot hold the answers"));
}

bool score_numbers(const BoundModel& bound, const Input& input, PredictOptions options,
                   Answer answer, char* data) {
  const Model& model = bound.model;
  const size_t row_bytes = bound.shapes[static_cast<size_t>(answer)].row_bytes;
  options.by_matrix = input.by_matrix;
  return run(bound, input, [&](const auto& rows, size_t first) -> Status {
    char* out = data + first * row_bytes;
    options.first_row = first;
    switch (answer) {
      case Answer::kRaw:
        return model.predict_raw(rows, out, options);
      case Answer::kValues:
        return model.predict_values(rows, out, options);
      case Answer::kProbabilities:
        return model.predict_proba(rows, out, options);
      case Answer::kLeaves:
        return model.predict_leaf(rows, reinterpret_cast<int32_t*>(out), options);
    }
    return {};
  });
}

bool score_classes(const BoundModel& bound, const Input& input, PredictOptions options,
                   int32_t* out) {
  const size_t targets = bound.model.target_columns();
  options.by_matrix = input.by_matrix;
  return run(bound, input, [&](const auto& rows, size_t first) {
    options.first_row = first;
    return bound.model.predict_classes(rows, out + first * targets, options);
  });
}

namespace {

PyObject* numbers(const BoundModel& bound, const Input& input, const Call& call, Answer answer) {
  const AnswerShape& shape = bound.shapes[static_cast<size_t>(answer)];
  Owned result(new_numbers(shape, input.count));
  if (!result) return checked_product(input.count, shape.row_bytes) ? nullptr : too_many(input);
  char* data = static_cast<char*>(data_of(result.get()));
  return score_numbers(bound, input, call.options, answer, data) ? result.release() : nullptr;
}

PyObject* labels_of(const BoundModel& bound, const Input& input, const Call& call) {
  const std::optional<size_t> n = checked_product(input.count, bound.model.target_columns());
  if (!n || !checked_product(*n, sizeof(int64_t))) return too_many(input);
  ClassNumbers classes(*n);
  if (!score_classes(bound, input, call.options, classes.data())) return nullptr;
  return make_labels(bound, classes.data(), input.count);
}

PyObject* predict(const BoundModel& bound, const Input& input, const Call& call) {
  if (bound.model.description().output.decision == Decision::kValues)
    return numbers(bound, input, call, Answer::kValues);
  return labels_of(bound, input, call);
}

PyObject* predict_raw(const BoundModel& bound, const Input& input, const Call& call) {
  return numbers(bound, input, call, Answer::kRaw);
}

PyObject* predict_proba(const BoundModel& bound, const Input& input, const Call& call) {
  const Owned all(numbers(bound, input, call, Answer::kProbabilities));
  if (!all) return nullptr;
  return split_targets(bound, all.get());
}

PyObject* predict_leaf(const BoundModel& bound, const Input& input, const Call& call) {
  return numbers(bound, input, call, Answer::kLeaves);
}

PyObject* score_samples(const BoundModel& bound, const Input& input, const Call& call) {
  const Description& model = bound.model.description();
  if (model.output.decision == Decision::kOutlier)
    return numbers(bound, input, call, Answer::kValues);
  return raise(unsupported(model.source.kind + " has no score_samples; IsolationForest has"));
}

// AdaBoost's scores are a column for each class, of a single class too, behind other steps as well.
bool scores_a_column(const Description& model) {
  const auto& labels = model.output.labels;
  if (const auto* graph = std::get_if<GraphPtr>(&model.scorer)) {
    const GraphNode& scores = (*graph)->nodes()[(*graph)->answers().scores];
    const auto* score = std::get_if<ScoreNode>(&scores);
    if (score && score->answer == AnswerOf::kRaw) return scores_a_column(*score->model);
  }
  return model.source.kind == "AdaBoostClassifier" && labels.size() == 1 && labels[0].size() == 1;
}

PyObject* raw_decision(const BoundModel& bound, const Input& input, const Call& call) {
  Owned scores(numbers(bound, input, call, Answer::kRaw));
  if (!scores || !scores_a_column(bound.model.description())) return scores.release();
  npy_intp sizes[2] = {static_cast<npy_intp>(input.count), 1};
  PyArray_Dims shape{sizes, 2};
  return PyArray_Newshape(reinterpret_cast<PyArrayObject*>(scores.get()), &shape, NPY_CORDER);
}

PyObject* decision_function(const BoundModel& bound, const Input& input, const Call& call) {
  const Description& model = bound.model.description();
  switch (decision_function_of(model)) {
    case DecisionFunction::kRaw:
      return raw_decision(bound, input, call);
    case DecisionFunction::kNone:
      return raise(unsupported(model.source.kind +
                               " has no decision_function; predict_raw gives its raw scores"));
    case DecisionFunction::kElsewhere:
      return raise(unsupported("the decision_function of a " + model.source.kind +
                               ", the mean of its members' own, has no native path"));
    case DecisionFunction::kSamples:
      break;
  }
  Owned samples(numbers(bound, input, call, Answer::kValues));
  if (!samples) return nullptr;
  const size_t n = input.count;
  if (model.output.value_type == NumberType::kFloat64) {
    auto* values = static_cast<double*>(data_of(samples.get()));
    for (size_t i = 0; i < n; ++i) values[i] -= model.output.threshold;
  } else {
    auto* values = static_cast<float*>(data_of(samples.get()));
    for (size_t i = 0; i < n; ++i) values[i] -= static_cast<float>(model.output.threshold);
  }
  return samples.release();
}

using Predict = PyObject* (*)(const BoundModel&, const Input&, const Call&);

// Of calls that ask for more than most. Apart, so that those that do not find their way straight.
template <Predict kPredict>
[[gnu::noinline]] PyObject* answer_asked(const BoundModel& bound, const Input& input,
                                         const Call& call, PyObject* const* args, Py_ssize_t count,
                                         PyObject* names) {
  Asked asked;
  const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t i = 0; i < named; ++i) asked.take(PyTuple_GET_ITEM(names, i), args[count + i]);
  Owned numbers;
  const auto model = asked_model(bound, asked, input, call.options, numbers);
  return model ? kPredict(*model, input, call) : nullptr;
}

template <Predict kPredict>
PyObject* entry(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  if (!nb::inst_ready(self)) {
    PyErr_SetString(PyExc_TypeError, "this Model was never loaded; use spinney.load");
    return nullptr;
  }
  const BoundModel& bound = *nb::inst_ptr<BoundModel>(self);
  try {
    Call call;
    Input input;
    if (!read_call(args, count, names, call) || !read_input(self, bound, call.x, input))
      return nullptr;
    if (call.asks_more || input.start)
      return answer_asked<kPredict>(bound, input, call, args, count, names);
    return kPredict(bound.for_rows(input.type()), input, call);
  } catch (const std::exception&) {  // bad_alloc and length_error: the core throws nothing else
    return PyErr_NoMemory();
  }
}

using Method = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
PyMethodDef method(const char* name, Method function, const char* doc) {
  // The interpreter calls a METH_FASTCALL | METH_KEYWORDS method by this very signature.
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
          METH_FASTCALL | METH_KEYWORDS, doc};
}

}  // namespace

#define SPINNEY_SIGNATURE                                                              \
  "($self, x, *, num_threads=None, strict=False, iteration_range=None, missing=None, " \
  "base_margin=None, num_iteration=None, start_iteration=None, init_score=None, "      \
  "ntree_start=None, ntree_end=None)\n--\n\n"

PyMethodDef kPredictMethods[] = {
    method(
        "predict", entry<predict>,
        "predict" SPINNEY_SIGNATURE
        "What the saved object's own predict gives, in its dtype and shape.\n\n"
        "Labels for a classifier object, transformed values for a regressor or Booster: shape\n"
        "(rows,), or (rows, columns) where there are several.\n\n"
        "x: rows of n_features numbers: a 2-D numpy array of any number type and layout, a\n"
        "pandas or polars frame or pyarrow table (matched by feature name), a scipy sparse\n"
        "matrix, or anything that numpy.asarray understands.\n"
        "num_threads: 1 and up; None uses as many as the process may, where they pay.\n"
        "strict: refuse NaN and infinity where the training library itself does.\n"
        "iteration_range, missing, base_margin: of models of XGBoost, for this call: the trees of\n"
        "iterations a to b - 1 as for spinney.load, a value that is missing, and scores to begin\n"
        "with in place of the base score, (rows,) or (rows, n_outputs).\n"
        "num_iteration, start_iteration, init_score: of models of LightGBM, for this call: as for\n"
        "spinney.load, and scores that are added to the raw ones before the link.\n"
        "ntree_start, ntree_end: of models of CatBoost, for this call: as for spinney.load.\n"
        "What is first asked for by iteration_range and the like makes a model of its own, which\n"
        "takes as long as loading; the last 8 are kept.\n\n"
        "Raises InvalidInputError if x does not fit."),
    method("predict_raw", entry<predict_raw>,
           "predict_raw" SPINNEY_SIGNATURE
           "The library's raw scores (margins), before any link: shape (rows,) or (rows,\n"
           "n_outputs), in the type the library adds them up in. Arguments as in predict."),
    method("predict_proba", entry<predict_proba>,
           "predict_proba" SPINNEY_SIGNATURE
           "Class probabilities, shape (rows, classes); for scikit-learn's multi-output\n"
           "classifiers a list with one such array per target. Arguments as in predict.\n\n"
           "Raises UnsupportedModelError if the model is no classifier."),
    method("predict_leaf", entry<predict_leaf>,
           "predict_leaf" SPINNEY_SIGNATURE
           "The leaf that each row reaches in each tree, numbered as the library does: int32,\n"
           "shape (rows, n_trees). Arguments as in predict.\n\n"
           "Raises UnsupportedModelError if the model is not one forest of trees."),
    method("decision_function", entry<decision_function>,
           "decision_function" SPINNEY_SIGNATURE
           "What the estimator's own decision_function gives, for scikit-learn's classifiers that\n"
           "have one and IsolationForest; elsewhere raises UnsupportedModelError."),
    method("score_samples", entry<score_samples>,
           "score_samples" SPINNEY_SIGNATURE
           "What an IsolationForest's score_samples gives, shape (rows,); for other models raises\n"
           "UnsupportedModelError."),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace spinney::binding
