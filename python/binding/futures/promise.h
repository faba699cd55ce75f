// Promise: one request's answer to come, shared by the worker that keeps it and the Python future
// that reads it.
//
// A worker keeps promises without the interpreter's lock: one atomic exchange, and a wake-up only
// where a thread waits. Python objects (callbacks, the conditions that concurrent.futures.wait
// uses) are touched by a Dispatcher's thread alone, so user code never runs on a worker.
#pragma once

#include <Python.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace spinney::binding {

class Dispatcher;

class Promise {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum Phase : uint32_t { kPending = 0, kRunning = 1, kFinished = 2, kCancelled = 3 };
  enum class Wait { kDone, kTimedOut, kInterrupted };

  explicit Promise(std::shared_ptr<Dispatcher> dispatcher) : dispatcher_(std::move(dispatcher)) {}
  Promise(const Promise&) = delete;

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // The worker's side. What answer() will give must be in place before. A cancelled promise stays
  // cancelled.
  void start();
  void finish();

  // The future's side, under the interpreter's lock.
  // The answer as a new reference, or nullptr with the request's error set. Called when
  // done, by more than one thread perhaps.
  virtual PyObject* answer() = 0;
  // (queued ms, computed ms, both ms, rows, rows of its batch), or None where nothing was measured.
  virtual PyObject* timing() { Py_RETURN_NONE; }
  // Whether it is computed at this moment, if it is not done. Looks where the work is, if need be,
  // so that requests which nobody asks about cost nothing.
  virtual bool begun() const { return phase() == kRunning; }
  // False if it was answered already. The engine is told by drop().
  bool cancel();
  virtual void drop() {}
  // The answer was taken and is not asked for again: objects of Python's that it was made of go.
  virtual void forget() {}

  Phase phase() const { return static_cast<Phase>(word_.load(std::memory_order_acquire) & 3); }
  // Finished or cancelled, and no announcement to the future's condition is due.
  bool done() const { return is_done(word_.load(std::memory_order_acquire)); }
  // Without the interpreter's lock. kInterrupted: a signal came.
  Wait wait(const Time* deadline);

  // Who waits for a future: its callbacks, those whom its condition wakes, or wakers, which are
  // told before callbacks, on a thread that runs no user code.
  enum Listener : uint32_t { kCallback = 8, kCondition = 8 | 16, kWaker = 8 | 64 };
  // Asks that `future` be delivered when done; of a finished promise nothing comes any more, and
  // the answer is false. `future` is held until delivered. What is to be told must be in its place
  // before: from here on a delivery may come as soon as the interpreter's lock is let go of.
  bool listen(PyObject* future, Listener listener);
  bool listened() const { return word_.load(std::memory_order_acquire) & kListened; }
  void announced();
  const std::shared_ptr<Dispatcher>& dispatcher() const { return dispatcher_; }
  PyObject* take_listener() { return std::exchange(listener_, nullptr); }
  bool stale() const { return generation_ != generation; }

  // Raised by one in the child after a fork: no worker there keeps an older promise.
  static uint32_t generation;

 protected:
  virtual ~Promise();

 private:
  static constexpr uint32_t kWaited = 4;        // a thread sleeps on word_
  static constexpr uint32_t kListened = 8;      // a Dispatcher delivers it
  static constexpr uint32_t kConditioned = 16;  // the future has a condition
  static constexpr uint32_t kUnannounced = 32;  // finished, but the condition does not know yet
  static constexpr uint32_t kAwaited = 64;      // the future has wakers
  static constexpr uint32_t kListeners = kListened | kConditioned | kAwaited;

  static bool is_done(uint32_t word) { return (word & 2) && !(word & kUnannounced); }
  void wake();

  std::atomic<uint32_t> word_{kPending};
  std::atomic<uint32_t> references_{1};
  const uint32_t generation_ = generation;
  PyObject* listener_ = nullptr;
  std::shared_ptr<Dispatcher> dispatcher_;
};

// The threads that tell Python of finished promises. They are started by whoever first needs them
// and run serve(); stop() ends them once everything queued was delivered. User code runs in the
// lane of callbacks alone, so that none of it can hold up those who wait.
class Dispatcher {
 public:
  enum Lane { kWaiters = 0, kCallbacks = 1 };

  void push(Lane lane, PyObject* future);
  // Waits without the interpreter's lock, delivers with it, until stopped.
  void serve(Lane lane);
  // Without the interpreter's lock: ends the threads and waits for them until then, except for the
  // one that calls.
  void stop(Promise::Time deadline);
  // True the first time for each lane: the caller starts its thread, or says that it cannot.
  bool claim(Lane lane) { return !claimed_[lane].exchange(true); }
  // Unless it has been started after all.
  void cannot_serve(Lane lane);
  bool unserved(Lane lane) const { return unserved_[lane]; }
  // On a thread that stands in for the ones that did not start: delivers what there is, under the
  // interpreter's lock, and does not wait.
  void deliver_unserved();

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable filled;
    PyObject* first = nullptr;  // linked by Future::next_due: keeping a promise needs no memory
    PyObject* last = nullptr;
    bool stopped = false;
    bool ended = false;
    bool summoned = false;  // a thread for what came after the end is on its way
    std::thread::id thread;
  };
  static PyObject* take_all(Queue& queue);
  // On the main thread, between two steps of Python: a thread for what came after the lane's end.
  template <Lane kLane>
  static int serve_late(void* promise);
  void deliver_all(Lane lane, PyObject* first);

  Queue lanes_[2];
  std::atomic<bool> claimed_[2] = {};
  std::atomic<bool> unserved_[2] = {};
};

}  // namespace spinney::binding
