// SpinFlag: a lock for a few instructions that a caller can do without.
//
// try_lock() gives up after a short while, and so never hangs: not when the holder lost its CPU,
// and not in a child process that was forked while another thread held it.
#pragma once

#include <atomic>

namespace spinney {

class SpinFlag {
 public:
  bool try_lock() {
    for (unsigned spin = 0; spin < kSpinsMax; ++spin) {
      if (!held_.load(std::memory_order_relaxed) &&
          !held_.exchange(true, std::memory_order_acquire))
        return true;
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
    return false;
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  static constexpr unsigned kSpinsMax = 64;
  std::atomic<bool> held_{false};
};

}  // namespace spinney
