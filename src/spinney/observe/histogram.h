// Histogram: counts of values, most often nanoseconds, from which quantiles are read.
//
//   Histogram wait_ns;                    // as a member of whatever waits
//   wait_ns.record(ns);                   // any thread, no lock: two atomic additions, about 20 ns
//   HistogramSnapshot s = wait_ns.read();
//   double p99 = s.quantile(0.99);
//
// Buckets are log-linear: one value each up to 64, then 32 to a power of two, up to 2^42 (73
// minutes in nanoseconds), beyond which values count in the last bucket. A quantile is the middle
// of its bucket, never beyond the largest or smallest value seen: within kRelativeError of a value
// that was recorded at that rank. Count, sum, minimum and maximum are exact.
//
// Snapshots add up (merge) and subtract (since), so that shards, models or windows of time are one
// quantile away. A snapshot taken while others record may miss what they are about.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "spinney/base/thread_index.h"

namespace spinney::observe {

inline constexpr unsigned kStepBits = 5;    // 32 buckets to a power of two
inline constexpr unsigned kValueBits = 42;  // values below 2^42 are told apart
inline constexpr double kRelativeError = 1.0 / 64;
inline constexpr size_t kBuckets =
    (size_t{1} << (kStepBits + 1)) + (kValueBits - kStepBits - 1) * (size_t{1} << kStepBits);

constexpr size_t bucket_of(uint64_t value) {
  if (value < uint64_t{1} << (kStepBits + 1)) return static_cast<size_t>(value);
  if (value >= uint64_t{1} << kValueBits) return kBuckets - 1;
  const auto power = static_cast<unsigned>(std::bit_width(value)) - 1;
  const unsigned shift = power - kStepBits;
  return (size_t{shift} << kStepBits) + static_cast<size_t>(value >> shift);
}

// The smallest value of a bucket; of kBuckets, the end of the last.
constexpr uint64_t bucket_begin(size_t bucket) {
  constexpr size_t kStepsToPower = size_t{1} << kStepBits;
  if (bucket < 2 * kStepsToPower) return bucket;
  const size_t shift = bucket / kStepsToPower - 1;
  return uint64_t{kStepsToPower + bucket % kStepsToPower} << shift;
}

class HistogramSnapshot {
 public:
  uint64_t count() const { return count_; }
  uint64_t sum() const { return sum_; }
  uint64_t min() const { return count_ ? min_ : 0; }
  uint64_t max() const { return max_; }
  double mean() const {
    return count_ ? static_cast<double>(sum_) / static_cast<double>(count_) : 0;
  }
  // The value at this share of all, 0 to 1; 0 if there is none.
  double quantile(double share) const;
  // How many values are at most `bound`, to within the bucket that holds it.
  uint64_t count_up_to(uint64_t bound) const;
  void merge(const HistogramSnapshot& other);
  // What was recorded after `earlier`, a snapshot of the same histogram. Its minimum and maximum
  // are those of its buckets.
  HistogramSnapshot since(const HistogramSnapshot& earlier) const;

 private:
  friend class Histogram;
  std::vector<uint64_t> buckets_;  // kBuckets, or none
  uint64_t count_ = 0, sum_ = 0, min_ = UINT64_MAX, max_ = 0;
};

class Histogram {
 public:
  // More shards (a power of two) where several threads record all the time: 9.5 KB each.
  explicit Histogram(unsigned shards = 1);
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  void record(uint64_t value, uint64_t times = 1) {
    Shard& shard = shards_[thread_index() & shard_mask_];
    shard.buckets[bucket_of(value)].fetch_add(times, std::memory_order_relaxed);
    shard.sum.fetch_add(value * times, std::memory_order_relaxed);
    if (value > shard.max.load(std::memory_order_relaxed)) raise(shard.max, value);
    if (value < shard.min.load(std::memory_order_relaxed)) lower(shard.min, value);
  }
  // value(0) … value(n - 1), where a lock keeps other recorders away: without atomic additions, and
  // the sum is written once. Reading needs no lock.
  template <typename Value>
  void record_alone(size_t n, Value&& value) {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    Shard& shard = shards_[0];
    uint64_t sum = 0, max = shard.max.load(kRelaxed), min = shard.min.load(kRelaxed);
    for (size_t i = 0; i < n; ++i) {
      const uint64_t one = value(i);
      std::atomic<uint64_t>& bucket = shard.buckets[bucket_of(one)];
      bucket.store(bucket.load(kRelaxed) + 1, kRelaxed);
      sum += one;
      max = one > max ? one : max;
      min = one < min ? one : min;
    }
    shard.sum.store(shard.sum.load(kRelaxed) + sum, kRelaxed);
    shard.max.store(max, kRelaxed);
    shard.min.store(min, kRelaxed);
  }
  // For durations, which a clock that was set back may make negative: those count as 0.
  void record_signed(int64_t value) { record(value > 0 ? static_cast<uint64_t>(value) : 0); }
  HistogramSnapshot read() const;
  // Forgets everything; what is recorded meanwhile may stay or go.
  void reset();

 private:
  struct alignas(64) Shard {
    std::atomic<uint64_t> sum{0}, max{0}, min{UINT64_MAX};
    std::array<std::atomic<uint64_t>, kBuckets> buckets{};
  };
  static void raise(std::atomic<uint64_t>& max, uint64_t value);
  static void lower(std::atomic<uint64_t>& min, uint64_t value);
  unsigned shard_mask_;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace spinney::observe
