// BatchLane: a lane for a function of Python's, whose threads are Python's too; what the batchers
// of spinney.batching are made of.
//
// Requests are parcels that hold an entry, any Python object. A batch is run by
// runner(entries) -> (answers, error, again, own): an answer for each entry, in order; or the error
// of all and whether they may be tried again; and what became of single entries, as
// (number, code, error, again). Whatever becomes of a request is told by
// settle([(entry, code, value or error)]), once for each, on the thread that found out.
//
// Whoever runs batches keeps the interpreter's lock over a batch, its answers and the next one, and
// lets go of it while there is nothing to do.
#pragma once

#include <Python.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "binding/interpreter/references.h"
#include "spinney/engine/engine.h"

namespace nanobind {
class module_;
}

namespace spinney::binding {

class BatchLane;

// One request, in the queue and until it is told. Guarded by the interpreter's lock, but for the
// parcel's own numbers.
class Entry final : public Parcel {
 public:
  Entry(BatchLane* lane, PyObject* object, size_t rows, size_t bytes, uint64_t signature);
  size_t rows() const noexcept override { return rows_; }
  size_t bytes() const noexcept override { return bytes_; }
  uint64_t signature() const noexcept override { return signature_; }

  BatchLane* lane;  // which outlives its requests
  AnyThread held;   // the object
  RequestId id;
  bool begun = false;
  bool told = false;
  Entry* next = nullptr;  // of those that are not told
  Entry* previous = nullptr;

 private:
  const size_t rows_, bytes_;
  const uint64_t signature_;
};

class BatchLane {
 public:
  // What became of a request, for settle().
  enum Outcome : int { kAnswered = 0, kFailed, kExpired, kCancelled, kShutDown };

  // With a clock of its own the time is what set_now() says. Throws std::exception.
  BatchLane(PyObject* runner, PyObject* settle, const engine::ModelOptions& options,
            bool idempotent, bool own_clock);
  ~BatchLane();
  BatchLane(const BatchLane&) = delete;

  engine::Engine& engine() { return *engine_; }
  ManualClock& clock() { return clock_; }

  // Under the interpreter's lock, like all that follows.
  Admission submit(PyObject* object, size_t rows, size_t bytes, uint64_t signature, int64_t turn_ns,
                   int64_t deadline_ns);
  void serve();      // runs batches until left, or closed and nothing is queued
  void keep_time();  // until left
  void leave();
  void close(int64_t until_ns);  // no request is taken; runs what is queued, but none after that
  void forget();                 // runner and settle, which may refer to what refers to this
  // Cancels the requests of which unwanted(object) is true; false with a Python error set.
  bool sweep(PyObject* unwanted);

  // Of the back end and the completion.
  Status run(const backend::BatchInput& input, backend::BatchOutput& output);
  void tell(std::span<Finished> finished);

  size_t waiting() const { return waiting_; }
  size_t waiting_rows() const { return waiting_rows_; }
  size_t most_waiting() const { return most_waiting_; }

 private:
  void link(Entry* entry);
  void begin(Entry* entry);
  void unlink(Entry* entry);

  PyObject* runner_;
  PyObject* settle_;
  ManualClock clock_;
  std::unique_ptr<engine::Engine> engine_;
  std::atomic<bool> left_{false};
  std::atomic<bool> closed_{false};
  std::atomic<int64_t> until_ns_{kNever};
  Entry* first_ = nullptr;
  size_t waiting_ = 0, waiting_rows_ = 0, most_waiting_ = 0;
};

void define_batch_lane(nanobind::module_& module);

}  // namespace spinney::binding
