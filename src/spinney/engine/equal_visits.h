// EqualVisits: visits of one lane that ask for the same at the same time, of which one runs.
//
// A visit leads, or follows an equal one that leads and sleeps until that has ended. All of it lies
// in the visits themselves, so that nothing allocates. Whole keys are compared.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "spinney/engine/visit.h"

namespace spinney::engine {

class EqualVisits {
 public:
  // Leads, or follows: true. Its key is made.
  bool join(Visit& visit) noexcept;
  // The leader has ended: answered (with these bytes), failed (with what is in the leader), or
  // given up (kAgain).
  void end(Visit& leader, Turn turn, const void* answer, size_t bytes) noexcept;
  // A follower sleeps; what it was told, or kWait.
  static Turn wait(Visit& follower, int64_t timeout_ns) noexcept;
  // A follower goes. What it was told before, or kWait.
  Turn leave(Visit& follower) noexcept;

  // fork(): the child has none of the threads that lead or wait.
  std::mutex& mutex() { return mutex_; }
  void forget() noexcept { leaders_ = {}; }

 private:
  static constexpr size_t kBuckets = 64;
  Visit*& bucket_of(const Visit& visit) noexcept { return leaders_[visit.hash_ % kBuckets]; }
  static void tell(Visit& follower, const Visit& leader, Turn turn, const void* answer,
                   size_t bytes) noexcept;

  std::mutex mutex_;
  std::array<Visit*, kBuckets> leaders_{};
};

}  // namespace spinney::engine
