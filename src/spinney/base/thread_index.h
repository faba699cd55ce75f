// A small number for each thread, by which per-thread shards are picked.
#pragma once

#include <atomic>
#include <cstdint>

namespace spinney {

// 0, 1, 2 ... in the order in which threads first ask. Numbers of ended threads are not reused, so
// reduce the number modulo the shards there are.
inline uint32_t thread_index() {
  static std::atomic<uint32_t> next{0};
  thread_local const uint32_t index = next.fetch_add(1, std::memory_order_relaxed);
  return index;
}

}  // namespace spinney
