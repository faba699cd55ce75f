#include "spinney/engine/shared.h"

#include <algorithm>

namespace spinney::engine {

RequestCounts Counters::read() const {
  RequestCounts counts;
  // What ends is read before what begins, so that in_flight() is never negative.
  counts.answered = answered.load();
  counts.failed = failed.load();
  counts.expired = expired.load();
  counts.cancelled = cancelled.load();
  counts.shed = shed.load();
  counts.shut_down = shut_down.load();
  counts.shared = shared.load();
  counts.from_cache = from_cache.load();
  counts.admitted = admitted.load();
  counts.submitted = counts.admitted;
  for (size_t i = 0; i < kRefusals; ++i) {
    counts.refused[i] = refused[i].load();
    counts.submitted += counts.refused[i];
  }
  return counts;
}

void add_to(RequestCounts& sum, const RequestCounts& more) {
  sum.submitted += more.submitted;
  for (size_t i = 0; i < kRefusals; ++i) sum.refused[i] += more.refused[i];
  sum.admitted += more.admitted;
  sum.answered += more.answered;
  sum.failed += more.failed;
  sum.expired += more.expired;
  sum.cancelled += more.cancelled;
  sum.shed += more.shed;
  sum.shut_down += more.shut_down;
  sum.shared += more.shared;
  sum.from_cache += more.from_cache;
  sum.at_once += more.at_once;
}

void RunCounts::add(const RunCounts& more) {
  executions += more.executions;
  rows += more.rows;
  failed += more.failed;
  input_ns += more.input_ns;
  infer_ns += more.infer_ns;
  output_ns += more.output_ns;
  cache_hits += more.cache_hits;
  cache_misses += more.cache_misses;
  cache_hit_ns += more.cache_hit_ns;
  cache_miss_ns += more.cache_miss_ns;
}

Shared::Full Shared::enter() noexcept {
  const size_t before = requests_.fetch_add(kActive + 1, std::memory_order_seq_cst) / kActive;
  const size_t now = limit.load(std::memory_order_relaxed);
  const size_t most = max_concurrent == 0 ? kNoLimit : max_concurrent;
  if (before < std::min(now, most)) return {};
  answered(1);
  leave(1);
  if (before >= now) return {Refusal::kThrottled, now};
  return {Refusal::kConcurrency, most};
}

void Shared::leave(size_t requests) noexcept {
  const uint64_t before = requests_.fetch_sub(requests, std::memory_order_seq_cst);
  if (before % kActive != requests) return;
  if (!draining.load(std::memory_order_seq_cst)) return;
  drained.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(drained);
}

}  // namespace spinney::engine
