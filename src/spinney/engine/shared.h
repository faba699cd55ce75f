// Shared: what an engine's lanes and threads have in common.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "spinney/base/clock.h"
#include "spinney/cache/lru_ttl.h"
#include "spinney/engine/idle.h"
#include "spinney/engine/stats.h"
#include "spinney/response/response.h"

namespace spinney::engine {

// RequestCounts that many threads add to. What was submitted was admitted or refused.
struct Counters {
  std::atomic<uint64_t> admitted{0}, answered{0}, failed{0}, expired{0}, cancelled{0}, shed{0},
      shut_down{0}, shared{0}, from_cache{0};
  std::array<std::atomic<uint64_t>, kRefusals> refused{};

  static void add(std::atomic<uint64_t>& count, uint64_t n = 1) {
    count.fetch_add(n, std::memory_order_relaxed);
  }
  RequestCounts read() const;
};
void add_to(RequestCounts& sum, const RequestCounts& more);

struct Shared {
  const Clock* clock = nullptr;
  bool threads = true;
  size_t workers = 1;
  size_t max_concurrent = 0;
  static constexpr size_t kNoLimit = SIZE_MAX;
  std::atomic<size_t> limit{kNoLimit};
  std::atomic<uint32_t> generation{0};  // of processes: a forked child's is one more
  std::unique_ptr<cache::LruTtl> cache;
  std::atomic<uint32_t> drained{0};  // changes, and wakes, when in_flight becomes 0
  std::atomic<bool> draining{false};

  Idle idle;
  response::Mailbox mailbox;

  // The timer sleeps until then; see due_at(). One that has not slept yet is rung as well.
  static constexpr int64_t kAwake = kNever;
  std::atomic<int64_t> timer_wakes_ns{kAwake};
  std::atomic<uint32_t> timer_bell{0};
  // The timer should look at this time at the latest.
  void due_at(int64_t at_ns) noexcept {
    if (at_ns >= timer_wakes_ns.load(std::memory_order_seq_cst)) return;
    timer_bell.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(timer_bell);
  }

  // A slot for one more request, within the limits, or the limit that is reached.
  struct Full {
    Refusal refusal = Refusal::kNone;
    size_t most = 0;
  };
  Full enter() noexcept;
  // Of those that entered: so many are answered, and at last told.
  void answered(size_t requests) noexcept {
    requests_.fetch_sub(requests * kActive, std::memory_order_relaxed);
  }
  void leave(size_t requests) noexcept;
  size_t active() const noexcept { return requests_.load(std::memory_order_seq_cst) / kActive; }
  size_t in_flight() const noexcept { return requests_.load(std::memory_order_seq_cst) % kActive; }
  // In a forked child: so many are left, none of them answered.
  void inherit(size_t requests) noexcept { requests_.store(requests * (kActive + 1)); }

 private:
  // One number for both, so that a request pays once: those in flight, which are not yet told, and
  // above them the active ones, which are not yet answered.
  static constexpr uint64_t kActive = uint64_t{1} << 32;
  std::atomic<uint64_t> requests_{0};
};

}  // namespace spinney::engine
