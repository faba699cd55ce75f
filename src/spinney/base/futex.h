// Sleeping on a number in memory until somebody changes it: the kernel's own primitive, because it
// has a timeout, costs nothing when nobody sleeps, and survives fork().
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace spinney {

// Sleeps while the word is `expected`, at most timeout_ns if that is not negative. May return
// early.
inline void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected,
                       int64_t timeout_ns = -1) {
  timespec timeout{static_cast<time_t>(timeout_ns / 1'000'000'000),
                   static_cast<long>(timeout_ns % 1'000'000'000)};
  syscall(SYS_futex, reinterpret_cast<const uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected,
          timeout_ns < 0 ? nullptr : &timeout, nullptr, 0);
}

inline void futex_wake(const std::atomic<uint32_t>& word, int sleepers = INT_MAX) {
  syscall(SYS_futex, reinterpret_cast<const uint32_t*>(&word), FUTEX_WAKE_PRIVATE, sleepers,
          nullptr, nullptr, 0);
}

// A hint to the CPU that this thread only looks.
inline void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

}  // namespace spinney
