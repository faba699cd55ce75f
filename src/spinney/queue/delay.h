// Delay: whether requests of a level wait for too long, judged as CoDel does (RFC 8289).
//
// A burst makes some requests wait; too much load makes all of them wait. So what counts is the
// shortest wait within an interval. If even that was above the target, the level is overloaded:
// requests that have waited for more than twice the target are shed, and new ones that would wait
// for longer than the target are refused. It stays so until an interval passes in which nothing had
// to be refused or shed; else the queue would fill anew in every other interval. (CoDel drops at a
// rising rate instead, because it cannot tell a sender; here the sender is told when to come
// again.)
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "spinney/base/clock.h"

namespace spinney::queue {

class Delay {
 public:
  // One request's turn has come after so long a wait; under the lane's lock. True if it should be
  // shed instead.
  bool on_turn(int64_t now_ns, int64_t wait_ns, int64_t target_ns, int64_t interval_ns) noexcept {
    if (target_ns <= 0) return false;
    if (now_ns >= interval_end_ns_) {
      const bool refused = refused_.exchange(0, std::memory_order_relaxed) > 0;
      const bool slow = interval_end_ns_ != 0 && wait_ns_min_ > target_ns;
      overloaded_.store(slow || (overloaded() && refused), std::memory_order_relaxed);
      interval_end_ns_ = now_ns + interval_ns;
      wait_ns_min_ = wait_ns;
    } else {
      wait_ns_min_ = std::min(wait_ns_min_, wait_ns);
    }
    if (!overloaded() || wait_ns <= 2 * target_ns) return false;
    on_refused();
    return true;
  }
  // Nothing of the level waits.
  void on_empty() noexcept { wait_ns_min_ = 0; }
  void on_refused() noexcept { refused_.fetch_add(1, std::memory_order_relaxed); }
  bool overloaded() const noexcept { return overloaded_.load(std::memory_order_relaxed); }

 private:
  int64_t interval_end_ns_ = 0;
  int64_t wait_ns_min_ = 0;
  std::atomic<uint64_t> refused_{0};
  std::atomic<bool> overloaded_{false};
};

}  // namespace spinney::queue
