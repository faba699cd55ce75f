// DirectoryLock: many readers or one writer, and a writer that waits comes before new readers.
//
// The system's lock (std::shared_mutex over glibc) lets new readers in while a writer waits, so
// that a load would never get in under a constant stream of requests. Here a reader costs two
// additions and no more; one that finds a writer sleeps until that one is through. Nobody may read
// twice at once on one thread: a writer in between would wait for the first and keep out the
// second.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "spinney/base/futex.h"

namespace spinney::engine {

class DirectoryLock {
 public:
  void lock_shared() noexcept {
    if (state_.fetch_add(1, std::memory_order_acquire) & kWriter) wait_for_writer();
  }
  void unlock_shared() noexcept {
    if (state_.fetch_sub(1, std::memory_order_release) == (kWriter | 1)) futex_wake(state_, 1);
  }
  void lock() noexcept {
    writers_.lock();
    uint32_t state = state_.fetch_or(kWriter, std::memory_order_acquire) | kWriter;
    while (state != kWriter) {
      futex_wait(state_, state);
      state = state_.load(std::memory_order_acquire);
    }
  }
  void unlock() noexcept {
    state_.fetch_and(~kWriter, std::memory_order_release);
    writers_through_.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(writers_through_);
    writers_.unlock();
  }

 private:
  static constexpr uint32_t kWriter = 1u << 31;  // one is in, or waits for the readers to leave

  void wait_for_writer() noexcept {
    do {
      unlock_shared();
      const uint32_t through = writers_through_.load(std::memory_order_seq_cst);
      if (state_.load(std::memory_order_seq_cst) & kWriter) futex_wait(writers_through_, through);
    } while (state_.fetch_add(1, std::memory_order_acquire) & kWriter);
  }

  alignas(64) std::atomic<uint32_t> state_{0};  // kWriter, and how many readers
  std::atomic<uint32_t> writers_through_{0};
  std::mutex writers_;
};

}  // namespace spinney::engine
