#include "binding/engine/served.h"

#include <nanobind/nanobind.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "binding/engine/python_parcel.h"
#include "binding/engine/request_terms.h"
#include "binding/engine/served_direct.h"
#include "binding/futures/future.h"
#include "binding/futures/future_object.h"
#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/interpreter/references.h"
#include "binding/model/answer.h"
#include "binding/model/input.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

// Numbers of an answer: on the spot while they are few.
class Numbers {
 public:
  void copy(const void* data, size_t bytes) {
    if (bytes > few_.size()) many_.reset(new char[bytes]);
    std::memcpy(many_ ? many_.get() : few_.data(), data, bytes);
  }
  const void* data() const { return many_ ? many_.get() : few_.data(); }

 private:
  alignas(8) std::array<char, 32> few_;
  std::unique_ptr<char[]> many_;
};

class RequestPromise final : public Promise {
 public:
  explicit RequestPromise(std::shared_ptr<const Served> served)
      : Promise(served->dispatcher), served_(std::move(served)) {}

  // keep(key, answer) is called when the answer is first taken. False without memory.
  bool remember(PyObject* keep, PyObject* key) {
    kept_.reset(new (std::nothrow) Reference);
    if (!kept_) return false;
    Py_INCREF(keep);
    Py_INCREF(key);
    kept_->object = keep;
    kept_->second = key;
    return true;
  }

  void set_id(RequestId id) { id_ = id; }
  void set_row_type(NumberType type) { row_type_ = type; }
  void set_by_parcel() { by_parcel_ = true; }
  const Served& served() const { return *served_; }
  void drop() override { served_->engine->cancel(id_); }
  bool begun() const override { return served_->engine->running(id_); }

  void keep(const Finished& finished) {
    times_[0] = finished.submitted_ns;
    times_[1] = finished.started_ns;
    times_[2] = finished.finished_ns;
    batch_rows_ = finished.batch_rows;
    rows_ = finished.answer.rows;
    object_row_ = finished.answer.object_row;
    object_ = finished.answer.object;
    retry_after_ns_ = finished.retry_after_ns;
    from_cache_ = finished.from_cache;
    if (finished.error)
      error_ = std::make_unique<Error>(*finished.error);
    else if (finished.answer.data)
      numbers_.copy(finished.answer.data, rows_ * finished.answer.shape.row_bytes());
    finish();
  }
  void keep_no_memory() {
    error_ = nullptr;
    out_of_memory_ = true;
    finish();
  }

  PyObject* answer() override {
    if (out_of_memory_) return PyErr_NoMemory();
    if (error_) return raise_error();
    Owned value(served_->bound
                    ? make_answer(*served_->bound, served_->kind, numbers_.data(), rows_, row_type_)
                    : own_part());
    // Another thread may have come here while the array was made: one of them keeps it.
    const AnyThread kept = std::move(kept_);
    if (!value || !kept) return value.release();
    const Owned done(call_python(kept->object, kept->second, value.get()));
    if (!done) PyErr_WriteUnraisable(kept->object);
    return value.release();
  }

  // Another thread may still be in answer(), so that holds what it needs itself.
  void forget() override { object_.reset(); }

  PyObject* timing() override {
    if (from_cache_) Py_RETURN_NONE;
    return Py_BuildValue("(dddnn)", double(times_[1] - times_[0]) * 1e-6,
                         double(times_[2] - times_[1]) * 1e-6, double(times_[2] - times_[0]) * 1e-6,
                         static_cast<Py_ssize_t>(rows_), static_cast<Py_ssize_t>(batch_rows_));
  }

 private:
  PyObject* raise_error() const {
    const std::shared_ptr<void> held = object_;
    if (auto* exception = static_cast<PyObject*>(held.get())) {
      const Owned make(helper("own_error"));
      const Owned own(make ? call_python(make.get(), exception) : nullptr);
      if (own) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(own.get())), own.get());
      return nullptr;
    }
    raise(*error_, retry_after_ns_);
    return nullptr;
  }

  // A copy of this request's rows, so that they keep no other's alive; or its own of the batch's
  // answers to parcels.
  PyObject* own_part() const {
    const std::shared_ptr<void> held = object_;
    auto* whole = static_cast<PyObject*>(held.get());
    const auto first = static_cast<Py_ssize_t>(object_row_);
    if (by_parcel_) return PySequence_GetItem(whole, first);
    Owned part(PySequence_GetSlice(whole, first, first + static_cast<Py_ssize_t>(rows_)));
    if (!part || !PyArray_Check(part.get())) return part.release();
    return PyArray_NewCopy(reinterpret_cast<PyArrayObject*>(part.get()), NPY_CORDER);
  }

  std::shared_ptr<const Served> served_;
  NumberType row_type_ = NumberType::kFloat64;
  RequestId id_;
  Numbers numbers_;
  std::unique_ptr<Error> error_;
  std::shared_ptr<void> object_;
  AnyThread kept_;  // the worker may be the last that has this
  int64_t times_[3] = {};
  size_t rows_ = 0;
  size_t batch_rows_ = 0;
  size_t object_row_ = 0;
  int64_t retry_after_ns_ = 0;
  bool out_of_memory_ = false;
  bool from_cache_ = false;
  bool by_parcel_ = false;
};

// Needs no interpreter's lock, hence never blocks.
class PromiseCompletion final : public Completion {
 public:
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& one : finished) {
      auto* promise = static_cast<RequestPromise*>(one.context);
      try {
        promise->keep(one);
      } catch (const std::bad_alloc&) {
        promise->keep_no_memory();
      }
      promise->release();
    }
  }
};
// Never destroyed: workers outlive this module where they have not ended in time.
PromiseCompletion& completion() {
  static auto* made = new PromiseCompletion;
  return *made;
}

PyObject* failed_future() {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  PyObject* future = value ? make_settled_future(nullptr, value) : nullptr;
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  return future;
}

// False with a Python error set.
bool read_rows(const Served& served, PyObject* x, Input& input, Owned& converted) {
  if (read_plain(served, x, input)) return true;
  if (!served.bound) {
    raise(invalid_argument("a Python model's queue takes 2-D arrays of float32 or float64"));
    return false;
  }
  auto* model = static_cast<PyObject*>(served.model_object.get());
  if (!read_input(model, *served.bound, x, input)) return false;
  if (input.kind == Input::Kind::kConverted)
    converted.reset(convert_block(input, 0, input.count, input.rows));
  return input.kind != Input::Kind::kConverted || converted;
}

// One request on its way to the engine. Whatever may fail or run Python comes before the engine has
// it, and before the rows are looked at where they lie.
struct Outgoing {
  Request request;
  RequestPromise* promise = nullptr;
  Owned future;

  // args: priority, timeout_ms, keep, key. False with a Python error set.
  bool begin(const std::shared_ptr<Served>& served, PyObject* const* args) {
    const long priority = PyLong_AsLong(args[0]);
    if (priority == -1 && PyErr_Occurred()) return false;
    if (!read_deadline(args[1], *served->engine, request.deadline_ns)) return false;
    promise = new (std::nothrow) RequestPromise(served);
    const bool ready = promise && (args[2] == Py_None || promise->remember(args[2], args[3]));
    future.reset(promise ? make_future(promise) : nullptr);
    if (!ready || !future) {
      if (!PyErr_Occurred()) PyErr_NoMemory();
      return false;
    }
    request.model = served->name;
    request.version = served->version;
    request.kind = served->kind;
    request.priority = static_cast<Priority>(std::clamp<long>(priority, 0, kPriorities - 1));
    request.deduplicate = served->deduplicate;
    request.completion = &completion();
    request.context = promise;
    return true;
  }

  PyObject* send(const Served& served) {
    promise->retain();  // the engine's
    const Admission admission = served.engine->submit(request);
    if (admission.ok()) {
      promise->set_id(admission.id);
      return future.release();
    }
    promise->release();
    if (admission.refusal == Refusal::kConcurrency) return PyLong_FromLong(1);
    if (admission.refusal == Refusal::kThrottled) return PyLong_FromLong(2);
    if (admission.refusal == Refusal::kUnknownModel) {
      served.engine->retract_unknown();  // the caller looks for the model that replaced this one
      Py_RETURN_NONE;
    }
    raise(error_of(admission), admission.retry_after_ns);
    return failed_future();
  }
};

// args: x, priority, timeout_ms, keep, key.
PyObject* submit(const std::shared_ptr<Served>& served, PyObject* const* args) {
  give_up_left_references();
  Input input;
  Owned converted;
  Outgoing out;
  if (!out.begin(served, args + 1)) return nullptr;
  if (!read_rows(*served, args[0], input, converted)) {
    // An interrupt, or what the caller's own class of rows ends a program with, is no answer.
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return nullptr;
    served->count->refused_at_once(Refusal::kMisfit);
    return failed_future();
  }
  if (input.kind == Input::Kind::kSparse || input.by_matrix || input.rows.count == 0)
    Py_RETURN_NOTIMPLEMENTED;
  out.request.rows = input.rows;
  out.promise->set_row_type(input.rows.type);
  return out.send(*served);
}

// An array that a parcel can read and wipe where it lies.
bool may_be_own(PyObject* object) {
  if (!PyArray_CheckExact(object)) return false;
  auto* array = reinterpret_cast<PyArrayObject*>(object);
  return PyArray_CHKFLAGS(array, NPY_ARRAY_CARRAY) && !PyDataType_REFCHK(PyArray_DESCR(array));
}

// args: object, rows, kind, own, priority, timeout_ms, keep, key.
PyObject* submit_parcel(const std::shared_ptr<Served>& served, PyObject* const* args) {
  give_up_left_references();
  const Py_ssize_t rows = PyLong_AsSsize_t(args[1]);
  if (rows == -1 && PyErr_Occurred()) return nullptr;
  const long long kind = args[2] == Py_None ? -1 : PyLong_AsLongLong(args[2]);
  if (kind == -1 && PyErr_Occurred()) return nullptr;
  PyObject* own = args[3] == Py_None ? nullptr : args[3];
  if (own && !may_be_own(own)) {
    PyErr_SetString(PyExc_TypeError, "own must be a writable C-contiguous array without objects");
    return nullptr;
  }
  Outgoing out;
  if (!out.begin(served, args + 4)) return nullptr;
  if (rows <= 0) Py_RETURN_NOTIMPLEMENTED;
  out.request.parcel = make_python_parcel(args[0], static_cast<size_t>(rows), kind, own);
  out.promise->set_by_parcel();
  return out.send(*served);
}

using Submit = PyObject* (*)(const std::shared_ptr<Served>&, PyObject* const*);

template <Submit kSubmit, Py_ssize_t kCount>
PyObject* entry(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != kCount) {
    PyErr_Format(PyExc_TypeError, "expected %zd arguments, not %zd", kCount, count);
    return nullptr;
  }
  try {
    return kSubmit(nb::inst_ptr<ServedHandle>(self)->served, args);
  } catch (const std::exception&) {  // bad_alloc: the core throws nothing else
    return PyErr_NoMemory();
  }
}

template <Submit kSubmit, Py_ssize_t kCount>
PyCFunction fast() {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(entry<kSubmit, kCount>));
}

PyCFunction plain(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

bool read_plain(const Served& served, PyObject* x, Input& input) {
  // Classes of arrays may mean more than their numbers, as masked ones do.
  if (!(served.bound ? PyArray_CheckExact(x) : PyArray_Check(x))) return false;
  auto* array = reinterpret_cast<PyArrayObject*>(x);
  const int type = PyArray_TYPE(array);
  if ((type != NPY_FLOAT && type != NPY_DOUBLE) || !PyArray_ISBEHAVED_RO(array)) return false;
  const NumberType own = type == NPY_FLOAT ? NumberType::kFloat32 : NumberType::kFloat64;
  if (PyArray_NDIM(array) == 1 && served.bound && !served.bound->takes_cells &&
      static_cast<size_t>(PyArray_DIM(array, 0)) == served.bound->model.n_features()) {
    const auto width = static_cast<size_t>(PyArray_DIM(array, 0));
    input.rows = {PyArray_DATA(array), own, 1, width, 0, PyArray_STRIDE(array, 0)};
    return true;
  }
  if (PyArray_NDIM(array) != 2 || served.bound) return false;
  input.rows = {PyArray_DATA(array),
                own,
                static_cast<size_t>(PyArray_DIM(array, 0)),
                static_cast<size_t>(PyArray_DIM(array, 1)),
                PyArray_STRIDE(array, 0),
                PyArray_STRIDE(array, 1)};
  return true;
}

PyMethodDef kServedMethods[] = {
    {"submit", fast<submit, 5>(), METH_FASTCALL,
     "submit(self, x, priority, timeout_ms, keep, key, /)\n--\n\n"
     "A PredictionFuture of x's rows; None if the model was unloaded meanwhile; NotImplemented of\n"
     "no rows and of sparse ones."},
    {"submit_parcel", fast<submit_parcel, 8>(), METH_FASTCALL,
     "submit_parcel(self, object, rows, kind, own, priority, timeout_ms, keep, key, /)\n--\n\n"
     "As submit, of an object that answer_parcels is given in a list with others of its kind. "
     "rows:\n"
     "how many it counts for. kind: a number from 0 on, or None for an object that is answered\n"
     "alone. own: None, or an array that nobody else has and that with the kind is all that the\n"
     "answer depends on; equal ones in flight share an answer, and it is zeroed in the end."},
    {"predict", plain(served_predict), METH_FASTCALL,
     "predict(self, x, outcomes, more, started, scaling, quantizing, function, key, flat_row, /)\n"
     "--\n\n"
     "(True, result, metadata), on this thread: of a native model's rows, or of what function(x)\n"
     "gives, which equal calls with an equal key share. x may be one flat row, as flat_row(x)\n"
     "knows. 1 if the engine is full, 2 if it is throttled, None if the model was unloaded\n"
     "meanwhile; the exception itself where the request failed. The last six may be left out."},
    {"at_once", plain(served_at_once), METH_FASTCALL,
     "at_once(self, x, priority, timeout_ms, outcomes, /)\n--\n\n"
     "The answer, where nothing is queued and the model is cheap; else NotImplemented, and\n"
     "nothing was counted. As predict for the rest."},
    {"kept", served_kept, METH_O,
     "kept(self, key, /)\n--\n\nThe answer that keep() kept under this key, or NotImplemented."},
    {"keep", plain(served_keep), METH_FASTCALL,
     "keep(self, key, answer, /)\n--\n\nKeeps an array for requests to come, if any are kept."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace spinney::binding
