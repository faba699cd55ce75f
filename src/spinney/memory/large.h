// LargeBuffers: memory for large results, kept for the next result of that size.
//
//   void* memory = buffers.acquire(bytes);   // on a 2 MiB line; nullptr: there is none
//   buffers.give_back(memory, bytes);        // wiped, and kept for the next or freed
//
// New memory costs more than the work for a large result: the kernel hands it out page by page, and
// clears each. Wiping what comes back costs a third of that (docs/decisions/large-results.md).
//
// Idle memory is bounded: the oldest buffer is freed to make room. No call waits: if another thread
// holds the list, the system's allocator is used instead. Memory that came back is zero; new memory
// is as the system's allocator gives it, and callers must write all of it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "spinney/base/spin_flag.h"

namespace spinney::memory {

class LargeBuffers {
 public:
  static constexpr size_t kGranule = size_t{2} << 20;  // a huge page

  explicit LargeBuffers(size_t idle_bytes_max) : idle_bytes_max_(idle_bytes_max) {}
  ~LargeBuffers() { trim(); }
  LargeBuffers(const LargeBuffers&) = delete;
  LargeBuffers& operator=(const LargeBuffers&) = delete;

  void* acquire(size_t bytes);
  // bytes: as asked for.
  void give_back(void* data, size_t bytes) noexcept;
  // Frees what is idle, the oldest first, until it is at most so many bytes; returns those freed.
  size_t trim(size_t idle_bytes_max = 0) noexcept;
  size_t idle_bytes() const { return idle_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kBlocksMax = 16;
  struct Block {
    void* data;
    size_t capacity;
  };
  Block take(size_t position) noexcept;

  const size_t idle_bytes_max_;
  SpinFlag busy_;
  std::array<Block, kBlocksMax> idle_{};  // guarded by busy_; the oldest first
  size_t n_idle_ = 0;                     // guarded by busy_
  std::atomic<size_t> idle_bytes_{0};     // written under busy_
};

}  // namespace spinney::memory
