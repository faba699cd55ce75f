// Delay: whether requests of a level wait for too long, judged as CoDel does (RFC 8289).
//
// A burst makes some requests wait; too much load makes all of them wait. So what counts is the
// shortest wait within an interval, of the request that has waited for longest (of those without a
// deadline, as others may overtake them). If even that was above the target, the level is
// overloaded: requests that have waited for more than twice the target are shed, and new ones that
// would wait for longer than the target are refused. It stays so until an interval passes in which
// nothing had to be refused or shed; else the queue would fill anew in every other interval. (CoDel
// drops at a rising rate instead, because it cannot tell a sender; here the sender is told when to
// come again.)
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "spinney/base/clock.h"

namespace spinney::queue {

class Delay {
 public:
  // The one that has waited for longest has waited for so long; under the lane's lock.
  void observe(int64_t now_ns, int64_t wait_ns, int64_t target_ns, int64_t interval_ns) noexcept {
    if (target_ns <= 0) return;
    if (now_ns >= interval_end_ns_) {
      const bool refused = refused_.exchange(0, std::memory_order_relaxed) > 0;
      const bool slow = interval_end_ns_ != 0 && wait_ns_min_ > target_ns;
      const bool lasts = slow || (refused && overloaded(now_ns));
      // For as long as it takes to judge again: what nobody looks at any more is over.
      overloaded_until_ns_.store(lasts ? now_ns + 2 * interval_ns : 0, std::memory_order_relaxed);
      interval_end_ns_ = now_ns + interval_ns;
      wait_ns_min_ = wait_ns;
    } else {
      wait_ns_min_ = std::min(wait_ns_min_, wait_ns);
    }
  }
  void on_refused() noexcept { refused_.fetch_add(1, std::memory_order_relaxed); }
  bool overloaded(int64_t now_ns) const noexcept {
    return now_ns < overloaded_until_ns_.load(std::memory_order_relaxed);
  }

 private:
  int64_t interval_end_ns_ = 0;
  int64_t wait_ns_min_ = 0;
  std::atomic<uint64_t> refused_{0};
  std::atomic<int64_t> overloaded_until_ns_{0};
};

}  // namespace spinney::queue
