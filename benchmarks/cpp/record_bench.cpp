// What the small parts of a request cost: recording, counting, a buffer, a look into the cache.
//
//   cmake --preset release -DSPINNEY_BENCHMARKS=ON && ninja -C build/release record_bench
//   build/release/benchmarks/cpp/record_bench
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "spinney/cache/lru_ttl.h"
#include "spinney/memory/pool.h"
#include "spinney/observe/counter.h"
#include "spinney/observe/histogram.h"

namespace {

using Clock = std::chrono::steady_clock;

double since_ns(Clock::time_point begin, size_t calls) {
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() /
         static_cast<double>(calls);
}

// The best of several runs, per call.
template <typename Call>
void measure(const char* name, size_t calls, Call call) {
  double best = 1e18;
  for (int run = 0; run < 15; ++run) {
    const auto begin = Clock::now();
    for (size_t i = 0; i < calls; ++i) call(i);
    best = std::min(best, since_ns(begin, calls));
  }
  std::printf("%-40s %8.1f ns\n", name, best);
}

void record_from_two_threads(unsigned shards) {
  constexpr size_t kCalls = 2'000'000;
  double best = 1e18;
  for (int run = 0; run < 5; ++run) {
    spinney::observe::Histogram histogram(shards);
    const auto begin = Clock::now();
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t)
      threads.emplace_back([&] {
        for (size_t i = 0; i < kCalls; ++i) histogram.record(i * 7919 % 100'000);
      });
    for (std::thread& thread : threads) thread.join();
    best = std::min(best, since_ns(begin, kCalls));
  }
  std::printf("record, two threads, %u shard(s)          %8.1f ns\n", shards, best);
}

}  // namespace

int main() {
  std::vector<uint64_t> values(1024);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i * 7919 % 100'000;
  spinney::observe::Histogram histogram;
  measure("record", 1'000'000, [&](size_t i) { histogram.record(values[i % 1024]); });
  for (const unsigned shards : {1u, 4u}) record_from_two_threads(shards);
  spinney::observe::Counter counter;
  measure("count", 1'000'000, [&](size_t) { counter.add(); });
  spinney::memory::Pool pool;
  for (const size_t bytes : {size_t{256}, size_t{2560}, size_t{65536}}) {
    char name[64];
    std::snprintf(name, sizeof name, "buffer of %zu bytes, there and back", bytes);
    measure(name, 50'000, [&](size_t) { auto buffer = pool.acquire(bytes); });
  }
  spinney::cache::LruTtl cache;
  const std::vector<std::byte> key(112);
  std::vector<std::byte> value(8);
  cache.set(key, value);
  measure("cache hit, key of 112 bytes", 500'000, [&](size_t) { cache.get(key, value); });
  measure("cache set, key of 112 bytes", 200'000, [&](size_t) { cache.set(key, value); });
}
