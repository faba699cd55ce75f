// Counter: a number that only grows, incremented by any thread without waiting for the others.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "spinney/base/thread_index.h"

namespace spinney::observe {

class Counter {
 public:
  void add(uint64_t n = 1) {
    shards_[thread_index() % kShards].value.fetch_add(n, std::memory_order_relaxed);
  }
  uint64_t value() const {
    uint64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.value.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr size_t kShards = 8;
  struct alignas(64) Shard {
    std::atomic<uint64_t> value{0};
  };
  std::array<Shard, kShards> shards_;
};

}  // namespace spinney::observe
