// Gate: how many requests are in an engine at once, both those predicted on their caller's thread
// and those queued, and how many may be.
#pragma once

#include <atomic>
#include <cstdint>

#include "spinney/base/result.h"

namespace spinney::binding {

class Gate {
 public:
  // kFull: max_concurrent_requests. kThrottled: a lower limit holds for now, see limit().
  enum Entry { kOpen = 0, kFull = 1, kThrottled = 2 };

  Entry enter() {
    const int64_t now = active_.fetch_add(1, std::memory_order_acq_rel) + 1;
    const int64_t limit = limit_.load(std::memory_order_relaxed);
    const bool throttled = limit >= 0 && now > limit;
    if (!throttled && (max_ == 0 || now <= max_)) return kOpen;
    leave();
    return throttled ? kThrottled : kFull;
  }
  void leave() { active_.fetch_sub(1, std::memory_order_acq_rel); }

  explicit Gate(int64_t max) : max_(max) {}
  int64_t active() const { return active_.load(std::memory_order_acquire); }
  // Requests at once from now on, 0 for none at all, negative for no limit besides the maximum.
  void limit(int64_t requests) { limit_.store(requests, std::memory_order_relaxed); }
  int64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  int64_t max() const { return max_; }

 private:
  std::atomic<int64_t> active_{0};
  std::atomic<int64_t> limit_{-1};
  const int64_t max_;  // 0: any number
};

}  // namespace spinney::binding
