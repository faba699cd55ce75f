// Clock: where the time comes from. It is handed to whoever needs it, so that no test sleeps.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

namespace spinney {

// Nanoseconds since some moment in the past; never goes back. kNever is later than any time.
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kMicrosecond = 1'000;
inline constexpr int64_t kMillisecond = 1'000'000;
inline constexpr int64_t kSecond = 1'000'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_ns() const = 0;
};

// The system's monotonic clock.
class SteadyClock final : public Clock {
 public:
  int64_t now_ns() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  // One for the whole process.
  static const SteadyClock& instance();
};
inline constinit const SteadyClock kSteadyClock;  // no local static, whose guard a fork may hold
inline const SteadyClock& SteadyClock::instance() { return kSteadyClock; }

// Stands still until it is told otherwise.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t now_ns = 0) : now_ns_(now_ns) {}
  int64_t now_ns() const override { return now_ns_.load(std::memory_order_relaxed); }
  void advance(int64_t by_ns) { now_ns_.fetch_add(by_ns, std::memory_order_relaxed); }
  void set(int64_t now_ns) { now_ns_.store(now_ns, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> now_ns_;
};

}  // namespace spinney
