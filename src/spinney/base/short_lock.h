// ShortLock: a lock for a few instructions on paths where a mutex would be felt.
//
// Whoever waits looks again after giving his CPU away, so that a holder that lost its own gets on.
// Nothing that may block, allocate or call others belongs under it. fork() needs it held by the
// thread that forks, as any lock.
#pragma once

#include <sched.h>

#include "spinney/base/spin_flag.h"

namespace spinney {

class ShortLock {
 public:
  void lock() noexcept {
    while (!flag_.try_lock()) sched_yield();
  }
  void unlock() noexcept { flag_.unlock(); }

 private:
  SpinFlag flag_;
};

}  // namespace spinney
