#include "binding/engine/served_direct.h"

#include <nanobind/nanobind.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/engine/kept_value.h"
#include "binding/engine/outcomes.h"
#include "binding/engine/request_terms.h"
#include "binding/engine/served.h"
#include "binding/futures/future_object.h"
#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/interpreter/references.h"
#include "binding/interpreter/set_error.h"
#include "binding/model/answer.h"
#include "binding/model/asked.h"
#include "binding/model/predict.h"
#include "spinney/base/checked_size.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

using engine::Entry;
using engine::Turn;
using engine::Visit;

constexpr int64_t kLookForSignalsNs = 50 * kMillisecond;
constexpr double kSeconds = 1e-9;

// What one call asks, of a native model (input) or of a function.
struct Call {
  const Served& served;
  Input& input;
  PyObject* x = nullptr;
  PyObject* function = nullptr;
  PyObject* flat_row = nullptr;  // of x: an array of one row, or None
  Request request;
  int64_t asked_ns = 0;  // when rows began to be prepared; 0: they were not
  unsigned threads = 0;  // 0: as many as pay
};

// Rows as the door sees them. Those that come as many types, or sparse, it only counts.
void describe_rows(const Served& served, const Input& input, Request& request) {
  request.rows = input.rows;
  if (input.kind == Input::Kind::kRows && !input.by_matrix) return;
  request.rows = {};
  request.rows.count = input.count;
  request.rows.width = served.bound->model.n_features();
  request.deduplicate = false;
}

// Few rows of other number types become rows of floats here, so that they have a key.
bool convert_few(Input& input) {
  if (input.kind != Input::Kind::kConverted || input.count == 0) return true;
  const auto bytes = checked_product(input.count, input.width, size_of(input.converted_to));
  if (!bytes || *bytes > engine::RequestKey::kBytesMax) return true;
  Owned block(convert_block(input, 0, input.count, input.rows));
  if (!block) return false;
  input.kind = Input::Kind::kRows;
  input.kept = std::move(block);
  return true;
}

// The request whose rows were none: counted, and the error that is set as an object.
PyObject* misfit(const Served& served) {
  if (!PyErr_ExceptionMatches(PyExc_Exception)) return nullptr;
  served.count->refused_at_once(Refusal::kMisfit);
  return take_error();
}

bool take_flat_row(const Call& asked, Owned& row) {
  auto* model = static_cast<PyObject*>(asked.served.model_object.get());
  return take_flat_row(asked.x, asked.flat_row, model, row);
}

// Of a run that raised: counted, told to those who wait for it, and given back as an object.
// Raised, and not counted as failed, where it is no answer but ends the caller's program, and where
// the rows were none, which the caller may mend.
PyObject* failed(Visit& visit) {
  if (!PyErr_ExceptionMatches(PyExc_Exception)) {
    visit.give_up();
    return nullptr;
  }
  Owned error(take_error());
  if (!error) return nullptr;
  if (is_of(error.get(), "InvalidInputError")) {
    visit.forget();
    set_error(error.get());
    return nullptr;
  }
  const Owned text(asleep_at_exit([&] { return PyObject_Str(error.get()); }));
  const char* bytes = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  const std::string message = bytes ? bytes : Py_TYPE(error.get())->tp_name;
  PyErr_Clear();
  Py_INCREF(error.get());
  visit.fail({Code::kInternal, message}, share_reference(error.get()));
  return error.release();
}

// What the one that it waited for raised, for this caller.
PyObject* failed_with(const Visit& visit) {
  if (auto* error = static_cast<PyObject*>(visit.object().get())) {
    const Owned make(helper("own_error"));
    return make ? call_python(make.get(), error) : nullptr;
  }
  raise(visit.error());
  return take_error();
}

// Numbers as the back end keeps them: of the wide model's type, where there are two.
void done(const Served& served, Visit& visit, const AnswerShape& shape, Answer answer,
          const char* data, size_t rows) {
  const BoundModel& model = *served.bound;
  const AnswerShape& shared =
      (model.wide ? *model.wide : model).shapes[static_cast<size_t>(answer)];
  if (shared.numpy_type == shape.numpy_type || !visit.keeps())
    return visit.done(data, rows * shape.row_bytes);
  const auto* narrow = reinterpret_cast<const float*>(data);
  const std::vector<double> wide(narrow, narrow + rows * shape.columns);
  visit.done(wide.data(), wide.size() * sizeof(double));
}

PyObject* compute_native(Call& asked, Visit& visit) {
  const Served& served = asked.served;
  Input& input = asked.input;
  PredictOptions options;
  if (asked.threads > 0) options.num_threads = asked.threads;
  std::shared_ptr<const BoundModel> started;  // with the base margins of a DMatrix
  Owned margins;
  if (input.start) {
    started = asked_model(*served.bound, Asked(), input, options, margins);
    if (!started) return nullptr;
  }
  const BoundModel& bound = started ? *started : served.bound->for_rows(input.type());
  if (visit.rows().data) input.rows = visit.rows();  // see describe_rows()
  if (served.kind == AnswerKind::kClasses) {
    const std::optional<size_t> n = checked_product(input.count, bound.model.target_columns());
    if (!n || !checked_product(*n, sizeof(int64_t))) return too_many(input);
    ClassNumbers classes(*n);
    if (!score_classes(bound, input, options, classes.data())) return nullptr;
    visit.done(classes.data(), *n * sizeof(int32_t));
    return make_labels(bound, classes.data(), input.count);
  }
  const Answer answer =
      served.kind == AnswerKind::kProba ? Answer::kProbabilities : Answer::kValues;
  const AnswerShape& shape = bound.shapes[static_cast<size_t>(answer)];
  Owned all(new_numbers(shape, input.count));
  if (!all) return checked_product(input.count, shape.row_bytes) ? nullptr : too_many(input);
  char* data = static_cast<char*>(data_of(all.get()));
  if (!score_numbers(bound, input, options, answer, data)) return nullptr;
  done(served, visit, shape, answer, data, input.count);
  return answer == Answer::kProbabilities ? split_targets(bound, all.get()) : all.release();
}

PyObject* compute(Call& asked, Visit& visit) {
  if (!asked.function) return compute_native(asked, visit);
  Owned result(call_python(asked.function, asked.x));
  if (!result) return nullptr;
  std::vector<char> kept;
  if (visit.keeps()) kept = kept_bytes(result.get());
  const Py_ssize_t rows = rows_of(result.get());
  if (rows >= 0) visit.set_rows(static_cast<size_t>(rows));
  PyErr_Clear();  // of what has no length, which is said later on
  visit.done(kept.data(), kept.size());
  return result.release();
}

PyObject* found(const Call& asked, Visit& visit) {
  if (asked.function) return make_kept(visit.answer(), visit.answer_bytes());
  return make_answer(*asked.served.bound, asked.served.kind, visit.answer(), asked.input.count,
                     asked.input.rows.type);
}

// False with a Python error set: a signal's handler raised.
bool wait_for_equal(Visit& visit) {
  while (visit.turn() == Turn::kWait) {
    {
      const Unlocked released;
      visit.wait(kLookForSignalsNs);
    }
    if (PyErr_CheckSignals() < 0) return false;
  }
  return true;
}

// Why it was not let in: which limit is reached (1: the engine is full, 2: it is throttled), None
// where the model was unloaded meanwhile, or what to raise.
PyObject* refused(const Call& asked, const Admission& admission) {
  switch (admission.refusal) {
    case Refusal::kConcurrency:
      return PyLong_FromLong(1);
    case Refusal::kThrottled:
      return PyLong_FromLong(2);
    case Refusal::kUnknownModel:
      asked.served.engine->retract_unknown();  // the caller looks for what replaced it
      Py_RETURN_NONE;
    default:
      raise(error_of(admission), admission.retry_after_ns);
      return take_error();
  }
}

// One request through the door. `take(result, visit)` makes what is given back of its answer.
template <typename Take>
PyObject* ask(Call& asked, Entry entry, Take&& take) {
  for (;;) {
    Visit visit;
    visit.set_asked_ns(asked.asked_ns);
    const Admission admission = asked.served.engine->enter(asked.request, visit, entry);
    if (!admission.ok()) return refused(asked, admission);
    if (visit.turn() == Turn::kWait && !wait_for_equal(visit)) return nullptr;
    switch (visit.turn()) {
      case Turn::kQueue:
        Py_RETURN_NOTIMPLEMENTED;
      case Turn::kAgain:
        continue;
      case Turn::kFailed:
        return failed_with(visit);
      default:
        break;
    }
    const bool runs = visit.turn() == Turn::kRun;
    const Owned result(runs ? compute(asked, visit) : found(asked, visit));
    if (!result) return failed(visit);
    return take(result.get(), visit);
  }
}

struct Preparation {
  double started_s = 0, scaling_s = 0, quantizing_s = 0;
};

// Of one that was answered: its model ran for it.
bool computed(const Visit& visit) { return !visit.from_cache() && !visit.shared(); }

Told told_of(const Visit& visit, const Preparation& before) {
  Told told;
  if (computed(visit))
    told.took_s = static_cast<double>(visit.finished_ns() - visit.started_ns()) * kSeconds;
  told.ended_ns = visit.finished_ns();
  const double began =
      before.started_s > 0 ? before.started_s : static_cast<double>(visit.entered_ns()) * kSeconds;
  told.total_s = static_cast<double>(told.ended_ns) * kSeconds - began;
  told.scaling_s = before.scaling_s;
  told.quantizing_s = before.quantizing_s;
  told.cached = visit.from_cache();
  return told;
}

bool read_double(PyObject* object, double& out) {
  out = PyFloat_AsDouble(object);
  return out != -1.0 || !PyErr_Occurred();
}

// The rows of a native model's call. False with a Python error set.
bool read(const Served& served, PyObject* x, Input& input) {
  if (!read_plain(served, x, input)) {
    auto* model = static_cast<PyObject*>(served.model_object.get());
    if (!read_input(model, *served.bound, x, input)) return false;
  } else {
    input.count = input.rows.count;
    input.width = input.rows.width;
  }
  return convert_few(input);
}

// What predict is given besides x, outcomes and more. False with a Python error set.
bool read_rest(PyObject* const* args, Call& asked, Preparation& before) {
  if (!read_double(args[3], before.started_s) || !read_double(args[4], before.scaling_s) ||
      !read_double(args[5], before.quantizing_s))
    return false;
  asked.asked_ns = static_cast<int64_t>(before.started_s * 1e9);
  if (args[6] == Py_None) return true;
  asked.function = args[6];
  asked.flat_row = args[8];
  if (PyBytes_Check(args[7]))
    asked.request.key = {reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(args[7])),
                         static_cast<size_t>(PyBytes_GET_SIZE(args[7]))};
  asked.request.deduplicate &= !asked.request.key.empty();
  asked.request.rows.count = 1;
  if (asked.served.bound) asked.request.rows.width = asked.served.bound->model.n_features();
  return true;
}

PyObject* predict(const Served& served, PyObject* const* args, Py_ssize_t count) {
  give_up_left_references();
  Input input;
  Call asked{served, input, args[0], nullptr, nullptr, request_of(served), 0, served.num_threads};
  Preparation before;
  Owned row;
  if (count == 9 && !read_rest(args, asked, before)) return nullptr;
  if (!asked.function) {
    if (!read(served, asked.x, input)) {
      input = Input();
      if (!take_flat_row(asked, row) || !read(served, row.get(), input)) return misfit(served);
    }
    describe_rows(served, input, asked.request);
    const size_t wanted = served.bound->model.n_features();
    if (asked.request.rows.width != wanted) {  // as Model.predict says it
      raise(invalid_argument("the rows have " + std::to_string(input.width) +
                             " columns, but the model was trained on " + std::to_string(wanted) +
                             " features"));
      return misfit(served);
    }
  }
  const auto take = [&](PyObject* result, const Visit& visit) -> PyObject* {
    const Py_ssize_t rows = asked.function ? rows_of(result) : static_cast<Py_ssize_t>(input.count);
    if (rows < 0) return nullptr;
    const Told told = told_of(visit, before);
    if (computed(visit) && !record(args[1], told, rows)) return nullptr;
    return make_success(result, told, rows, args[2]);
  };
  PyObject* outcome = ask(asked, Entry::kAlways, take);
  if (outcome || !misfit_is_set()) return outcome;
  if (!asked.function || !take_flat_row(asked, row)) return misfit(served);
  asked.x = row.get();
  outcome = ask(asked, Entry::kAlways, take);
  return outcome || !misfit_is_set() ? outcome : misfit(served);
}

// at_once(x, priority, timeout_ms, outcomes)
PyObject* at_once(const Served& served, PyObject* const* args) {
  give_up_left_references();
  Input input;
  Call asked{served, input, args[0], nullptr, nullptr, request_of(served), 0, 1};
  const long priority = PyLong_AsLong(args[1]);
  if (priority == -1 && PyErr_Occurred()) return nullptr;
  asked.request.priority = static_cast<Priority>(std::clamp<long>(priority, 0, kPriorities - 1));
  if (!read_deadline(args[2], *served.engine, asked.request.deadline_ns)) return nullptr;
  const bool flat =
      PyArray_Check(args[0]) && PyArray_NDIM(reinterpret_cast<PyArrayObject*>(args[0])) != 2;
  if (flat && !read_plain(served, args[0], input)) Py_RETURN_NOTIMPLEMENTED;
  if (!read(served, args[0], input)) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return nullptr;
    PyErr_Clear();  // which the queue says, and counts
    Py_RETURN_NOTIMPLEMENTED;
  }
  describe_rows(served, input, asked.request);
  return ask(asked, Entry::kIfCheap, [&](PyObject* result, const Visit& visit) -> PyObject* {
    const Told told = told_of(visit, {});
    if (computed(visit) && !record(args[3], told, static_cast<Py_ssize_t>(input.count)))
      return nullptr;
    Py_INCREF(result);
    return result;
  });
}

const std::shared_ptr<Served>& served_of(PyObject* self) {
  return nb::inst_ptr<ServedHandle>(self)->served;
}

}  // namespace

PyObject* served_predict(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 3 && count != 9) {
    PyErr_SetString(PyExc_TypeError,
                    "expected x, outcomes, more[, started, scaling, quantizing, function, key, "
                    "flat_row]");
    return nullptr;
  }
  try {
    return predict(*served_of(self), args, count);
  } catch (const std::exception&) {  // bad_alloc: the core throws nothing else
    return PyErr_NoMemory();
  }
}

PyObject* served_at_once(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 4) {
    PyErr_SetString(PyExc_TypeError, "expected x, priority, timeout_ms, outcomes");
    return nullptr;
  }
  try {
    return at_once(*served_of(self), args);
  } catch (const std::exception&) {
    return PyErr_NoMemory();
  }
}

}  // namespace spinney::binding
