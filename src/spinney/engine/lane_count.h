// LaneCount: all that one version of one model counts, and the only place that is exported from.
//
// It outlives the lanes that count in it: a version that is loaded again goes on counting, and what
// was let in before an unload still counts. Requests of the queue are counted by the lane, with
// atomic additions. A batch, and a request that is answered where it was asked, add all their
// figures at once under a lock of a few nanoseconds, so that none is lost and a call of half a
// microsecond does not feel it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "spinney/base/short_lock.h"
#include "spinney/engine/shared.h"
#include "spinney/engine/stats.h"
#include "spinney/observe/histogram.h"
#include "spinney/request/node.h"

namespace spinney::engine {

// A batch that has run.
struct BatchTimes {
  size_t rows = 0;
  size_t requests = 0;  // that waited for it, those answered by an equal one's rows included
  bool failed = false;
  int64_t begin_ns = 0, gathered_ns = 0, scored_ns = 0, end_ns = 0;
};

// A request that was answered on its caller's thread, without the queue: asked, its model called
// after preparations, the answer there after infer_ns, and handed over at the end.
struct AtOnce {
  size_t rows = 0;
  int64_t begin_ns = 0, inside_ns = 0, infer_ns = 0, end_ns = 0;
  int64_t lookup_ns = -1;  // what a cache that had no answer took; below 0: it was not asked
};

class LaneCount {
 public:
  // window: how many of the latest calls are kept one by one.
  explicit LaneCount(size_t window) : window_(window) { calls_.reserve(window); }

  Counters requests;
  observe::Histogram run_ns, batch_rows;  // of the queue's batches

  void ran(const BatchTimes& batch) noexcept;
  // Requests that a batch has answered, those among a list linked by done_next that got no error.
  void answered(const request::Node* done) noexcept;
  void answered_at_once(const AtOnce& request) noexcept;
  void hit_at_once(int64_t ns) noexcept;       // a request answered by a cache of the caller's
  void shared_at_once(int64_t ns) noexcept;    // one that waited for an equal one's answer
  void failed_at_once() noexcept;              // by the model
  void refused_at_once(Refusal why) noexcept;  // before the model was called
  // In the cache, for a request that is itself counted elsewhere; a hit has answered it by then.
  void looked_up(bool hit, int64_t ns) noexcept;

  RequestCounts request_counts() const;
  RunCounts run_counts() const;
  Stages stages() const;
  void add_calls(std::vector<Call>& out) const;

  void lock_for_fork() {
    lock_.lock();
    queue_lock_.lock();
  }
  void unlock_after_fork() {
    queue_lock_.unlock();
    lock_.unlock();
  }

 private:
  void note(const Call& call) noexcept;

  const size_t window_;
  mutable ShortLock lock_;
  ShortLock queue_lock_;  // of what a batch's requests add, apart, as there may be many
  observe::Histogram queue_wait_ns_, total_ns_;  // of the queue's requests; written under that
  RunCounts runs_;
  uint64_t at_once_ = 0;
  uint64_t hits_at_once_ = 0;
  observe::Histogram infer_ns_, at_once_ns_;  // written under the lock only
  std::vector<Call> calls_;                   // the latest, a ring once there are so many
  size_t next_call_ = 0;
};

// If there is no memory it throws, and nothing has changed.
void add_to(Totals& sum, const LaneCount& count);

}  // namespace spinney::engine
