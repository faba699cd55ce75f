// The door of this room: Backend, what answers a batch of rows; a native plan, or any function.
//
// A back end is immutable as far as the engine can see, and shared: requests that are in flight
// when a model is reloaded or unloaded finish on the one they were admitted to.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
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
  Rows rows;  // contiguous, of one type and width
  AnswerKind kind = AnswerKind::kValues;
  std::span<const Item> items;  // each joins the first
};

// What became of one item that failed by itself.
struct ItemError {
  size_t item = 0;  // its number
  Error error;
  std::shared_ptr<void> object;  // what the Error cannot hold
  bool again = false;            // whether it may be tried again, with what failed beside it
};

struct BatchOutput {
  void* data = nullptr;  // rows x answer(kind).row_bytes(), to be filled; null without columns
  // May be set in place of data, or beside it; each request of the batch is given it with the
  // number of its first row, or of its item. A failing score() may leave here what its Error cannot
  // hold.
  std::shared_ptr<void> object;
  // Of items with a fate of their own, while the others' answers, or the error of a failing
  // score(), hold; each at most once.
  std::vector<ItemError> item_errors;
  bool again = true;  // whether a failing score() may be halved or tried again
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Features that rows must have; 0: any, but batches hold rows of one width only.
  virtual size_t width() const = 0;
  // What a row's answer looks like; kUnsupported if there is no such answer.
  virtual Result<AnswerShape> answer(AnswerKind kind) const = 0;
  // Whether requests may carry rows.
  virtual bool takes_rows() const { return true; }
  // Whether they may carry this parcel: one of a class that score() knows.
  virtual bool takes(const Parcel& /*parcel*/) const { return false; }
  // Answers every row or item, in order. Called from several threads at once, up to concurrency().
  // Rows' answers must not depend on which rows share their batch. What it throws becomes
  // kInternal.
  virtual Status score(const BatchInput& input, BatchOutput& output) const = 0;

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
};
using Callable = std::function<Status(const BatchInput& input, BatchOutput& output)>;
std::shared_ptr<const Backend> make_callable(Callable callable, CallableOptions options);

}  // namespace spinney::backend
