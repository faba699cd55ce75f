#include "binding/futures/promise.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

#include "binding/futures/future.h"
#include "binding/futures/future_listeners.h"
#include "binding/futures/future_object.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/references.h"

namespace spinney::binding {
namespace {

long futex(std::atomic<uint32_t>& word, int operation, uint32_t value, const timespec* until) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG,
                 value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

uint32_t Promise::generation = 0;

Promise::~Promise() = default;

void Promise::wake() { futex(word_, FUTEX_WAKE, INT_MAX, nullptr); }

void Promise::start() {
  uint32_t word = word_.load(std::memory_order_relaxed);
  while ((word & 3) == kPending && !word_.compare_exchange_weak(word, word | kRunning)) {
  }
}

void Promise::finish() {
  uint32_t word = word_.load(std::memory_order_relaxed);
  uint32_t next;
  do {
    if (word & 2) return;  // cancelled meanwhile
    next = (word & kListeners) | kFinished;
    if (word & kConditioned) next |= kUnannounced | (word & kWaited);
  } while (!word_.compare_exchange_weak(word, next, std::memory_order_acq_rel));
  if (word & kListened)
    dispatcher_->push(
        word & (kConditioned | kAwaited) ? Dispatcher::kWaiters : Dispatcher::kCallbacks,
        listener_);
  if ((word & kWaited) && !(word & kConditioned)) wake();
}

bool Promise::cancel() {
  uint32_t word = word_.load(std::memory_order_acquire);
  uint32_t next;
  do {
    if (word & 2) return (word & 3) == kCancelled;
    next = (word & kListeners) | kCancelled;
  } while (!word_.compare_exchange_weak(word, next, std::memory_order_acq_rel));
  if (word & kWaited) wake();
  drop();
  return true;
}

void Promise::announced() {
  const uint32_t word = word_.fetch_and(~(kUnannounced | kWaited), std::memory_order_acq_rel);
  if (word & kWaited) wake();
}

bool Promise::listen(PyObject* future, Listener listener) {
  const uint32_t wanted = listener;
  uint32_t word = word_.load(std::memory_order_acquire);
  if (!listener_ && !(word & 2)) {
    // Before the bit is seen; a promise that finishes in between gives it back below.
    Py_INCREF(future);
    listener_ = future;
  }
  do {
    if (word & 2) {
      if (!(word & kListened)) Py_XDECREF(take_listener());
      return false;
    }
    if ((word & wanted) == wanted) return true;
  } while (!word_.compare_exchange_weak(word, word | wanted, std::memory_order_acq_rel));
  return true;
}

Promise::Wait Promise::wait(const Time* deadline) {
  timespec until{};
  if (deadline) {
    const auto since = deadline->time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    until.tv_sec = seconds.count();
    until.tv_nsec = std::chrono::nanoseconds(since - seconds).count();
  }
  for (;;) {
    uint32_t word = word_.load(std::memory_order_acquire);
    if (is_done(word)) return Wait::kDone;
    if (!(word & kWaited)) {
      if (!word_.compare_exchange_weak(word, word | kWaited)) continue;
      word |= kWaited;
    }
    // steady_clock is CLOCK_MONOTONIC, which FUTEX_WAIT_BITSET counts in.
    if (futex(word_, FUTEX_WAIT_BITSET, word, deadline ? &until : nullptr) == 0) continue;
    if (errno == EINTR) return Wait::kInterrupted;
    if (errno == ETIMEDOUT) return done() ? Wait::kDone : Wait::kTimedOut;
  }
}

void Dispatcher::push(Lane lane, PyObject* future) {
  Queue& queue = lanes_[lane];
  as_future(future)->next_due = nullptr;
  const std::lock_guard lock(queue.mutex);
  if (!queue.first) queue.filled.notify_one();
  PyObject*& place = queue.first ? as_future(queue.last)->next_due : queue.first;
  place = future;
  queue.last = future;
  if (!queue.ended || queue.summoned) return;
  // A worker that kept a promise while the engine stopped comes too late for the lane's thread.
  Promise* promise = as_future(future)->promise;
  promise->retain();
  queue.summoned =
      Py_AddPendingCall(lane == kWaiters ? serve_late<kWaiters> : serve_late<kCallbacks>,
                        promise) == 0;
  if (!queue.summoned) promise->release();  // 32 calls wait already: the next one tries again
}

template <Dispatcher::Lane kLane>
int Dispatcher::serve_late(void* argument) {
  auto* promise = static_cast<Promise*>(argument);
  const std::shared_ptr<Dispatcher> dispatcher = promise->dispatcher();
  promise->release();
  Queue& queue = dispatcher->lanes_[kLane];
  {
    const std::lock_guard lock(queue.mutex);
    queue.ended = queue.summoned = false;
    queue.thread = {};
  }
  start_thread(dispatcher, kLane);
  if (PyErr_Occurred()) PyErr_WriteUnraisable(nullptr);
  dispatcher->deliver_unserved();  // where there is no thread to be had
  return 0;
}

PyObject* Dispatcher::take_all(Queue& queue) { return std::exchange(queue.first, nullptr); }

void Dispatcher::stop(Promise::Time deadline) {
  for (Lane lane : {kWaiters, kCallbacks}) {
    Queue& queue = lanes_[lane];
    std::unique_lock lock(queue.mutex);
    queue.stopped = true;
    queue.filled.notify_all();
    if (claimed_[lane] && !unserved_[lane] && queue.thread != std::this_thread::get_id())
      queue.filled.wait_until(lock, deadline, [&] { return queue.ended; });
  }
}

void Dispatcher::deliver_all(Lane lane, PyObject* first) {
  while (first) {
    PyObject* future = std::exchange(first, as_future(first)->next_due);
    if (lane == kWaiters && announce(future))
      push(kCallbacks, future);
    else
      deliver(future);
  }
}

void Dispatcher::cannot_serve(Lane lane) {
  const std::lock_guard lock(lanes_[lane].mutex);
  if (lanes_[lane].thread == std::thread::id()) unserved_[lane] = true;
}

void Dispatcher::deliver_unserved() {
  for (Lane lane : {kWaiters, kCallbacks}) {
    PyObject* due = nullptr;
    if (unserved_[lane]) {
      const std::lock_guard lock(lanes_[lane].mutex);
      due = take_all(lanes_[lane]);
    }
    deliver_all(lane, due);
  }
}

void Dispatcher::serve(Lane lane) {
  Queue& queue = lanes_[lane];
  {
    const std::lock_guard lock(queue.mutex);
    queue.thread = std::this_thread::get_id();
    unserved_[lane] = false;
  }
  for (;;) {
    PyObject* due;
    PyThreadState* state = PyEval_SaveThread();
    {
      std::unique_lock lock(queue.mutex);
      queue.filled.wait(lock, [&] { return queue.stopped || queue.first; });
      due = take_all(queue);
    }
    asleep_at_exit([&] { PyEval_RestoreThread(state); });
    if (!due) {
      const std::lock_guard lock(queue.mutex);
      if (queue.first) continue;  // it came since
      queue.ended = true;         // stopped, and nothing is left
      queue.filled.notify_all();
      return;
    }
    deliver_all(lane, due);
    give_up_left_references();
  }
}

}  // namespace spinney::binding
