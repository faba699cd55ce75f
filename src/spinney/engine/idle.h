// Idle: where workers sleep. Waking one costs a system call only if one really sleeps, and none is
// woken while another is looking for work already.
//
// A worker remembers epoch(), looks everywhere, and if it found nothing calls wait(epoch): whatever
// was announced by notify() in between makes it return at once.
#pragma once

#include <atomic>
#include <cstdint>

#include "spinney/base/clock.h"
#include "spinney/base/futex.h"

namespace spinney::engine {

class Idle {
 public:
  uint32_t epoch() const noexcept { return epoch_.load(std::memory_order_seq_cst); }

  // Somebody sleeps whom the next notify() could wake.
  bool anybody_sleeps() const noexcept { return sleepers_.load(std::memory_order_seq_cst) > 0; }

  // There is something new to do for one worker. One who spins takes upon himself whatever is
  // announced meanwhile: before a batch keeps him he announces again what he leaves (pass_on()).
  void notify() noexcept {
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    if (spinning_.load(std::memory_order_seq_cst) == 0) wake_one();
  }
  void notify_all() noexcept {
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    while (wake_one()) {
    }
  }

  void wait(uint32_t seen, int64_t spin_ns) noexcept {
    if (spin_ns > 0) {
      spinning_.fetch_add(1, std::memory_order_seq_cst);
      const bool news = spin(seen, spin_ns);
      if (!news) sleepers_.fetch_add(1, std::memory_order_seq_cst);
      spinning_.fetch_sub(1, std::memory_order_seq_cst);
      if (news) return;
    } else {
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
    }
    // Announcements that saw this worker spinning come before this look.
    if (epoch() != seen && claim_sleeper()) return;
    take_token();
  }

 private:
  // Without sched_yield(), which on a busy machine gives the CPU away for whole milliseconds.
  bool spin(uint32_t seen, int64_t spin_ns) const noexcept {
    const Clock& clock = SteadyClock::instance();
    const int64_t end_ns = clock.now_ns() + spin_ns;
    do {
      for (int i = 0; i < 16; ++i) {
        if (epoch() != seen) return true;
        spin_pause();
      }
    } while (clock.now_ns() < end_ns);
    return false;
  }
  // One sleeper fewer, and it is this caller's to wake (or to be).
  bool claim_sleeper() noexcept {
    uint32_t sleepers = sleepers_.load(std::memory_order_seq_cst);
    while (sleepers > 0)
      if (sleepers_.compare_exchange_weak(sleepers, sleepers - 1, std::memory_order_seq_cst))
        return true;
    return false;
  }
  bool wake_one() noexcept {
    if (!claim_sleeper()) return false;
    tokens_.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(tokens_, 1);
    return true;
  }
  void take_token() noexcept {
    for (;;) {
      uint32_t tokens = tokens_.load(std::memory_order_seq_cst);
      while (tokens > 0)
        if (tokens_.compare_exchange_weak(tokens, tokens - 1, std::memory_order_seq_cst)) return;
      futex_wait(tokens_, 0);
    }
  }

  alignas(64) std::atomic<uint32_t> epoch_{0};
  std::atomic<uint32_t> spinning_{0};
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> tokens_{0};
};

}  // namespace spinney::engine
