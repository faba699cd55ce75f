#include "binding/engine/batch_lane.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include "binding/futures/future_object.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/model/model.h"
#include "spinney/base/at_load.h"

namespace spinney::binding {
namespace {

// Called on threads that look for work, so it has or may wait for the interpreter's lock.
class LaneCompletion final : public Completion {
 public:
  void finish(std::span<Finished> finished) noexcept override {
    const WithInterpreter locked;
    if (locked.held()) static_cast<Entry*>(finished[0].context)->lane->tell(finished);
  }
};
// Never destroyed, as threads may outlive this module.
LaneCompletion& completion() {
  static auto* made = new LaneCompletion;
  return *made;
}
const AtLoad kMadeEarly{&completion};

class RunnerBackend final : public backend::Backend {
 public:
  RunnerBackend(BatchLane* lane, bool idempotent) : lane_(lane), idempotent_(idempotent) {}
  size_t width() const override { return 0; }
  bool takes_rows() const override { return false; }
  bool takes(const Parcel& parcel) const override {
    return dynamic_cast<const Entry*>(&parcel) != nullptr;
  }
  bool splits() const override { return false; }
  bool idempotent() const override { return idempotent_; }
  Result<spinney::AnswerShape> answer(AnswerKind kind) const override {
    if (kind == AnswerKind::kValues) return spinney::AnswerShape{};  // objects
    return unsupported("a function of a batcher gives values");
  }
  Status score(const backend::BatchInput& input, backend::BatchOutput& output) const override {
    const WithInterpreter locked;
    if (!locked.held()) return Error{Code::kShutDown, "the Python interpreter has ended"};
    return lane_->run(input, output);
  }

 private:
  BatchLane* lane_;
  bool idempotent_;
};

Code code_of(long outcome) {
  if (outcome == BatchLane::kExpired) return Code::kExpired;
  if (outcome == BatchLane::kCancelled) return Code::kCancelled;
  return outcome == BatchLane::kShutDown ? Code::kShutDown : Code::kInternal;
}

BatchLane::Outcome outcome_of(const Error* error) {
  if (!error) return BatchLane::kAnswered;
  if (error->code == Code::kExpired) return BatchLane::kExpired;
  if (error->code == Code::kCancelled) return BatchLane::kCancelled;
  return error->code == Code::kShutDown ? BatchLane::kShutDown : BatchLane::kFailed;
}

std::shared_ptr<void> share(PyObject* object) {
  if (object == Py_None) return nullptr;
  Py_INCREF(object);
  return share_reference(object);
}

// The exception that is set.
std::shared_ptr<void> take_exception() {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  const Owned gone(type);
  const Owned from(trace);
  return value ? share_reference(value) : nullptr;
}

// (number, code, error, again) of each entry with a fate of its own.
bool read_own(PyObject* own, backend::BatchOutput& output) {
  for (Py_ssize_t i = 0; own != Py_None && i < PyList_GET_SIZE(own); ++i) {
    Py_ssize_t number;
    long outcome;
    PyObject* error;
    int again;
    if (!PyArg_ParseTuple(PyList_GET_ITEM(own, i), "nlOp", &number, &outcome, &error, &again))
      return false;
    output.item_errors.push_back({static_cast<size_t>(number),
                                  {code_of(outcome), "the function failed"},
                                  share(error),
                                  again != 0});
  }
  return true;
}

}  // namespace

Entry::Entry(BatchLane* made_by, PyObject* object, size_t rows, size_t bytes, uint64_t signature)
    : lane(made_by), held(new Reference), rows_(rows), bytes_(bytes), signature_(signature) {
  Py_INCREF(object);
  held->object = object;
}

BatchLane::BatchLane(PyObject* runner, PyObject* settle, const engine::ModelOptions& options,
                     bool idempotent, bool own_clock)
    : runner_(runner), settle_(settle) {
  engine::EngineOptions engine_options;
  engine_options.num_workers = 1;
  engine_options.threads = false;
  engine_options.served_by_others = true;
  if (own_clock) engine_options.clock = &clock_;
  auto made = engine::Engine::make(engine_options);
  if (!made.ok()) throw std::runtime_error(made.error().message);
  engine_ = std::move(made).value();
  const Status loaded =
      engine_->load("function", "", std::make_shared<RunnerBackend>(this, idempotent), options);
  if (!loaded.ok()) throw std::invalid_argument(loaded.error().message);
  Py_INCREF(runner_);
  Py_INCREF(settle_);
}

BatchLane::~BatchLane() {
  engine_->stop(0);  // while there is somebody to tell
  engine_.reset();
  forget();
}

void BatchLane::forget() {
  const Owned runner(std::exchange(runner_, nullptr));
  const Owned settle(std::exchange(settle_, nullptr));
}

void BatchLane::link(Entry* entry) {
  entry->next = first_;
  if (first_) first_->previous = entry;
  first_ = entry;
  ++waiting_;
  waiting_rows_ += entry->rows();
  most_waiting_ = std::max(most_waiting_, waiting_);
}

void BatchLane::begin(Entry* entry) {
  if (entry->begun || entry->told) return;
  entry->begun = true;
  --waiting_;
  waiting_rows_ -= entry->rows();
}

// Once: in a child that was forked while a thread of the parent told of it, it is told again.
void BatchLane::unlink(Entry* entry) {
  if (entry->told) return;
  if (!entry->begun) {
    --waiting_;
    waiting_rows_ -= entry->rows();
  }
  entry->told = true;
  if (entry->next) entry->next->previous = entry->previous;
  (entry->previous ? entry->previous->next : first_) = entry->next;
}

Admission BatchLane::submit(PyObject* object, size_t rows, size_t bytes, uint64_t signature,
                            int64_t turn_ns, int64_t deadline_ns) {
  give_up_left_references();
  const auto entry = std::make_shared<Entry>(this, object, rows, bytes, signature);
  Request request;
  request.parcel = entry;
  request.turn_ns = turn_ns;
  request.deadline_ns = deadline_ns;
  request.deduplicate = false;
  request.completion = &completion();
  request.context = entry.get();
  const Admission admission = engine_->submit(request);
  if (admission.ok()) {  // nobody tells of it before the interpreter's lock is let go of
    entry->id = admission.id;
    link(entry.get());
  }
  return admission;
}

Status BatchLane::run(const backend::BatchInput& input, backend::BatchOutput& output) {
  output.again = false;
  const Owned entries(PyList_New(static_cast<Py_ssize_t>(input.items.size())));
  if (!entries || !runner_) return Error{Code::kShutDown, "nobody is there to run the batch"};
  for (size_t i = 0; i < input.items.size(); ++i) {
    auto* entry = const_cast<Entry*>(static_cast<const Entry*>(input.items[i].parcel));
    begin(entry);
    Py_INCREF(entry->held->object);
    PyList_SET_ITEM(entries.get(), static_cast<Py_ssize_t>(i), entry->held->object);
  }
  Py_INCREF(runner_);
  const Owned runner(runner_);
  const Owned result(call_python(runner.get(), entries.get()));
  PyObject *answers, *error, *own;
  int again;
  if (!result || !PyArg_ParseTuple(result.get(), "OOpO", &answers, &error, &again, &own) ||
      !read_own(own, output)) {
    output.object = take_exception();
    return Error{Code::kInternal, "the batch's own thread was interrupted"};
  }
  output.again = again != 0;
  output.object = share(error == Py_None ? answers : error);
  if (error != Py_None) return Error{Code::kInternal, "the function failed"};
  return {};
}

void BatchLane::tell(std::span<Finished> finished) {
  const Owned list(PyList_New(0));
  for (const Finished& one : finished) {
    auto* entry = static_cast<Entry*>(one.context);
    unlink(entry);
    PyObject* value = static_cast<PyObject*>(one.answer.object.get());
    if (value && !one.error)
      value = PyList_GET_ITEM(value, static_cast<Py_ssize_t>(one.answer.object_row));
    // What failed before it came to anything is told so, with the one reason that there is.
    const Owned told(Py_BuildValue("(OiOi)", entry->held->object, outcome_of(one.error),
                                   value ? value : Py_None, entry->begun));
    if (!list || !told || PyList_Append(list.get(), told.get()) < 0) PyErr_WriteUnraisable(settle_);
  }
  if (!settle_ || !list) return;
  Py_INCREF(settle_);
  const Owned settle(settle_);
  const Owned done(call_python(settle.get(), list.get()));
  if (!done) PyErr_WriteUnraisable(settle.get());
}

// Closed, everything queued is due, so whoever finds nothing has nothing more to come.
void BatchLane::serve() {
  while (!left_.load()) {
    const uint32_t seen = engine_->news();
    if (engine_->now_ns() < until_ns_.load() && engine_->run_some()) {
      give_up_left_references();
      continue;
    }
    give_up_left_references();
    if (closed_.load()) return;
    const Unlocked released;
    if (!left_.load()) engine_->await_news(seen);
  }
}

void BatchLane::keep_time() {
  const Unlocked released;
  engine_->keep_time(left_);
}

void BatchLane::leave() {
  left_.store(true);
  engine_->rouse();
}

void BatchLane::close(int64_t until_ns) {
  until_ns_.store(std::min(until_ns_.load(), until_ns));
  closed_.store(true);
  (void)engine_->drain(0);
  engine_->rouse();
}

bool BatchLane::sweep(PyObject* unwanted) {
  std::vector<std::pair<Owned, RequestId>> open;
  for (Entry* entry = first_; entry; entry = entry->next) {
    Py_INCREF(entry->held->object);
    open.emplace_back(Owned(entry->held->object), entry->id);
  }
  for (const auto& [object, id] : open) {
    const Owned answer(call_python(unwanted, object.get()));
    const int yes = answer ? PyObject_IsTrue(answer.get()) : -1;
    if (yes < 0) return false;
    if (yes) engine_->cancel(id);
  }
  give_up_left_references();
  return true;
}

}  // namespace spinney::binding
