// The door of this room: Backend, what answers a batch of rows or parcels; a native plan, or any
// function.
//
// A back end is immutable as far as the engine can see, and shared: requests that are in flight
// when a model is reloaded or unloaded finish on the one they were admitted to.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/cpu/topology.h"
#include "spinney/model/description.h"
#include "spinney/model/rows.h"
#include "spinney/plan/near_plan.h"
#include "spinney/plan/plan.h"
#include "spinney/request/request.h"

namespace spinney::backend {

// One request's parcel, and how many rows it counts for.
struct Item {
  const Parcel* parcel = nullptr;
  size_t rows = 0;
};

// Either rows or items.
struct BatchInput {
  Rows rows;                              // contiguous, of one type and width
  AnswerKind kind = AnswerKind::kValues;  // if one output is asked for, and it is one of these
  std::span<const Item> items;            // each joins the first
  OutputSet outputs = 0;                  // that are asked for
  // After this time nobody waits for the batch; kNever if somebody does.
  int64_t deadline_ns = kNever;
  // Nobody does any more: all were cancelled, expired or shut down. What is not done need not be.
  bool cancelled() const { return abandoned && abandoned->load(std::memory_order_relaxed); }
  const std::atomic<bool>* abandoned = nullptr;
};

// Where one output's answers to all rows of a batch go: rows x spec->shape.columns.
struct Place {
  size_t output = 0;  // its number
  const OutputSpec* spec = nullptr;
  void* data = nullptr;            // numbers; null without columns
  std::string* strings = nullptr;  // or texts
};

// What became of one item that failed by itself.
struct ItemError {
  size_t item = 0;  // its number
  Error error;
  std::shared_ptr<void> object;  // what the Error cannot hold
  bool again = false;            // whether it may be tried again, with what failed beside it
};

struct BatchOutput {
  std::span<const Place> places;  // of each output that is asked for, to be filled
  void* data = nullptr;           // of the first place
  // May be set in place of data, or beside it; each request of the batch is given it with the
  // number of its first row, or of its item. A failing score() may leave here what its Error cannot
  // hold.
  std::shared_ptr<void> object;
  // Of items with a fate of their own, while the others' answers, or the error of a failing
  // score(), hold; each at most once.
  std::vector<ItemError> item_errors;
  bool again = true;  // whether a failing score() may be halved or tried again
};

// The end of a batch, to be told once, on any thread and with no lock held: callers are told on
// that thread. A completer that goes without it fails the batch.
class Completer {
 public:
  // Who is told.
  class Batch {
   public:
    virtual ~Batch() = default;
    virtual void completed(const Status& status) noexcept = 0;
    virtual void dropped() noexcept = 0;
  };
  explicit Completer(Batch& batch) noexcept : batch_(&batch) {}
  Completer(Completer&& other) noexcept : batch_(std::exchange(other.batch_, nullptr)) {}
  Completer& operator=(Completer&& other) noexcept {
    Completer last(std::exchange(batch_, std::exchange(other.batch_, nullptr)));
    return *this;
  }
  ~Completer() {
    if (batch_) batch_->dropped();
  }
  // Neither the batch's input nor its output may be touched from here on. May be called when the
  // engine has stopped or is gone, and in a forked child of the one where the batch was taken: then
  // nobody hears of it.
  void complete(const Status& status) noexcept {
    if (Batch* batch = std::exchange(batch_, nullptr)) batch->completed(status);
  }

 private:
  explicit Completer(Batch* batch) noexcept : batch_(batch) {}
  Batch* batch_;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Features that rows must have; 0: any, but batches hold rows of one width only.
  virtual size_t width() const = 0;
  // What a row's answer of this kind looks like; kUnsupported if there is none.
  virtual Result<AnswerShape> answer(AnswerKind kind) const = 0;
  // The named outputs, in an order that does not change, kOutputsMax at most. By default those that
  // answer() has, under their names.
  virtual std::vector<OutputSpec> outputs() const;
  // Whether score() fills all places of a batch in one call. Otherwise it is called once for each,
  // and is asked for a kind.
  virtual bool scores_together() const { return false; }
  // Whether requests may carry rows.
  virtual bool takes_rows() const { return true; }
  // Whether they may carry this parcel: one of a class that score() knows.
  virtual bool takes(const Parcel& /*parcel*/) const { return false; }
  // Answers every row or item, in order. Called from several threads at once, up to concurrency().
  // Rows' answers must not depend on which rows share their batch. What it throws becomes
  // kInternal.
  virtual Status score(const BatchInput& input, BatchOutput& output) const = 0;
  // The same, to be completed once and perhaps later, on another thread: input and output stay
  // until then, and the thread that called goes on with other batches. What it throws fails the
  // batch, if the completer went with it. By default what score() gives completes it at once. One
  // that completes later must look after threads of its own: an engine that stops does not wait for
  // it beyond the time it is given, and the back end may be destroyed by its own last completion.
  virtual void start(const BatchInput& input, BatchOutput& output, Completer completer) const;
  // Whether start() may complete a batch after it returned. Then no request is scored on its
  // caller's thread, where score() is called.
  virtual bool completes_later() const { return false; }
  // score() for each place, or for all of them.
  Status score_places(const BatchInput& input, BatchOutput& output) const;

  // Batches at once; 0: any number.
  virtual size_t concurrency() const { return 0; }
  // Whether score() mostly waits for others (a process, an interpreter's lock, the network) where
  // other back ends compute. Its batches then run on threads of its own, concurrency() of them (as
  // many as the engine has workers where that is 0), so that models that compute never wait for it.
  virtual bool waits() const { return false; }
  // Whether the same rows may be scored twice. Only then is a failing batch halved until the rows
  // at fault stand alone, may equal requests share an answer, and does warm-up call score().
  virtual bool idempotent() const { return false; }
  // Whether a request of more rows than a batch may be cut in pieces (not without columns).
  virtual bool splits() const { return true; }
  // Numbers of rows worth a dummy prediction before the first request, each at most rows_max.
  virtual std::vector<size_t> warm_up_rows(size_t rows_max) const;
  // Estimated time of one batch before any was measured; 0: unknown.
  virtual double cost_ns(size_t /*rows*/) const { return 0; }
  // Memory of what it scores with, all copies of it together; 0: unknown.
  virtual size_t bytes() const { return 0; }
  // Copies, one for each NUMA node that has a worker.
  virtual size_t replicas() const { return 1; }
};

// The native plan of a model: Model::shared_description() and shared_plan().
std::shared_ptr<const Backend> make_native(std::shared_ptr<const Description> description,
                                           std::shared_ptr<const plan::Plan> plan);
// On machines of several NUMA nodes: a plan for each node of the placement (Engine::placement()),
// made by a thread that runs there, so that each worker reads memory near it. With workers on one
// node, or none, and where the given plan has a copy for each, that one serves. Errors are those of
// `make`, by default plan::make_plan().
Result<std::shared_ptr<const Backend>> make_native(std::shared_ptr<const Description> description,
                                                   std::shared_ptr<const plan::Plan> plan,
                                                   const cpu::Assignment& placement,
                                                   plan::MakePlan make = {});

// A model and Model::for_rows(kFloat64) of it as one: each batch is scored by the one for its rows.
// Answers are of the wide one's type; those that the narrow one gives are float32 numbers in it.
std::shared_ptr<const Backend> make_promoting(std::shared_ptr<const Backend> narrow,
                                              std::shared_ptr<const Backend> wide);

struct CallableOptions {
  size_t width = 0;   // see Backend
  AnswerShape shape;  // of every kind in kinds
  std::vector<AnswerKind> kinds = {AnswerKind::kValues};
  size_t concurrency = 1;
  bool idempotent = false;
  bool waits = false;
  bool takes_rows = true;                    // see Backend
  std::function<bool(const Parcel&)> takes;  // the same; none if empty
  std::vector<OutputSpec> outputs;           // in place of shape and kinds; all filled in one call
};
using Callable = std::function<Status(const BatchInput& input, BatchOutput& output)>;
std::shared_ptr<const Backend> make_callable(Callable callable, CallableOptions options);

}  // namespace spinney::backend
