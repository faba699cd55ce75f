#include "spinney/observe/histogram.h"

#include <algorithm>
#include <cmath>

namespace spinney::observe {

double HistogramSnapshot::quantile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const auto rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
  if (rank >= count_) return static_cast<double>(max_);
  uint64_t seen = 0;
  size_t bucket = 0;
  for (; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) break;
  }
  const uint64_t begin = bucket_begin(bucket);
  const uint64_t last = bucket_begin(bucket + 1) - 1;
  const double middle = static_cast<double>(begin) + static_cast<double>(last - begin) / 2;
  return std::clamp(middle, static_cast<double>(min_), static_cast<double>(max_));
}

uint64_t HistogramSnapshot::count_up_to(uint64_t bound) const {
  uint64_t seen = 0;
  for (size_t b = 0; b < buckets_.size() && bucket_begin(b + 1) - 1 <= bound; ++b)
    seen += buckets_[b];
  return bound >= max_ ? count_ : seen;
}

void HistogramSnapshot::merge(const HistogramSnapshot& other) {
  if (other.count_ == 0) return;
  if (buckets_.empty()) buckets_.resize(kBuckets);
  for (size_t b = 0; b < kBuckets; ++b) buckets_[b] += other.buckets_[b];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

HistogramSnapshot HistogramSnapshot::since(const HistogramSnapshot& earlier) const {
  HistogramSnapshot recent;
  if (earlier.count_ == 0) return *this;
  recent.buckets_.resize(kBuckets);
  for (size_t b = 0; b < kBuckets; ++b) {
    // A reset in between leaves fewer than before: then all there is came since.
    const uint64_t n = buckets_.empty() ? 0 : buckets_[b];
    const uint64_t old = earlier.buckets_[b];
    recent.buckets_[b] = n >= old ? n - old : n;
    if (recent.buckets_[b] == 0) continue;
    recent.count_ += recent.buckets_[b];
    recent.min_ = std::min(recent.min_, std::max(bucket_begin(b), min_));
    recent.max_ = std::min(bucket_begin(b + 1) - 1, max_);
    if (b == kBuckets - 1) recent.max_ = max_;
  }
  recent.sum_ = sum_ >= earlier.sum_ ? sum_ - earlier.sum_ : sum_;
  return recent;
}

Histogram::Histogram(unsigned shards)
    : shard_mask_(std::bit_ceil(std::max(shards, 1u)) - 1),
      shards_(std::make_unique<Shard[]>(shard_mask_ + 1)) {}

void Histogram::raise(std::atomic<uint64_t>& max, uint64_t value) {
  uint64_t seen = max.load(std::memory_order_relaxed);
  while (value > seen && !max.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

void Histogram::lower(std::atomic<uint64_t>& min, uint64_t value) {
  uint64_t seen = min.load(std::memory_order_relaxed);
  while (value < seen && !min.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

HistogramSnapshot Histogram::read() const {
  HistogramSnapshot out;
  out.buckets_.resize(kBuckets);
  for (unsigned s = 0; s <= shard_mask_; ++s) {
    const Shard& shard = shards_[s];
    for (size_t b = 0; b < kBuckets; ++b) {
      const uint64_t n = shard.buckets[b].load(std::memory_order_relaxed);
      out.buckets_[b] += n;
      out.count_ += n;
    }
    out.sum_ += shard.sum.load(std::memory_order_relaxed);
    out.max_ = std::max(out.max_, shard.max.load(std::memory_order_relaxed));
    out.min_ = std::min(out.min_, shard.min.load(std::memory_order_relaxed));
  }
  // Another thread may have counted a value whose extremes are not there yet.
  out.min_ = std::min(out.min_, out.max_);
  return out;
}

void Histogram::reset() {
  for (unsigned s = 0; s <= shard_mask_; ++s) {
    Shard& shard = shards_[s];
    for (auto& bucket : shard.buckets) bucket.store(0, std::memory_order_relaxed);
    shard.sum.store(0, std::memory_order_relaxed);
    shard.max.store(0, std::memory_order_relaxed);
    shard.min.store(UINT64_MAX, std::memory_order_relaxed);
  }
}

}  // namespace spinney::observe
