// InferenceWindow: the latest calls of a PerformanceMetrics, and sums over all of them.
//
// Used under the interpreter's lock only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "spinney/observe/histogram.h"

namespace spinney::binding {

struct InferenceCall {
  double inference_s = 0, preprocessing_s = 0, quantization_s = 0;
  int64_t rows = 0;
  int64_t ended_ns = 0;
};

class InferenceWindow {
 public:
  explicit InferenceWindow(size_t calls_max)
      : calls_(calls_max), fold_at_(calls_max < kFold ? calls_max : kFold) {}

  // A handful of stores, so that a prediction of less than a microsecond does not feel it: sums and
  // histogram take in the calls a few dozen at a time, or when somebody asks.
  void add(const InferenceCall& call) {
    calls_[next_] = call;
    next_ = next_ + 1 == calls_.size() ? 0 : next_ + 1;
    if (++fresh_ == fold_at_) fold();
  }
  // The i-th oldest of size() calls.
  const InferenceCall& call(size_t i) const {
    return calls_[(next_ + calls_.size() - size() + i) % calls_.size()];
  }
  size_t size() const { return static_cast<size_t>(std::min<uint64_t>(updates(), calls_.size())); }
  size_t calls_max() const { return calls_.size(); }
  void reset() {
    next_ = fresh_ = 0;
    rows_ = updates_ = errors = hits = misses = 0;
    inference_.reset();
  }

  // NaN and what is beyond 292 years count as 0.
  static int64_t to_ns(double seconds) {
    return seconds > 0 && seconds < 9.2e9 ? static_cast<int64_t>(seconds * 1e9) : 0;
  }

  uint64_t errors = 0, hits = 0, misses = 0;
  uint64_t updates() const { return updates_ + fresh_; }
  uint64_t rows() const {
    fold();
    return rows_;
  }
  const observe::Histogram& inference() const {
    fold();
    return inference_;
  }

 private:
  static constexpr size_t kFold = 64;

  void fold() const {
    const size_t first = next_ >= fresh_ ? next_ - fresh_ : next_ + calls_.size() - fresh_;
    const size_t whole = std::min(fresh_, calls_.size() - first);
    take_in(first, whole);
    take_in(0, fresh_ - whole);
    updates_ += fresh_;
    fresh_ = 0;
  }
  void take_in(size_t first, size_t n) const {
    for (size_t i = first; i < first + n; ++i) rows_ += static_cast<uint64_t>(calls_[i].rows);
    inference_.record_alone(
        n, [&](size_t i) { return static_cast<uint64_t>(to_ns(calls_[first + i].inference_s)); });
  }

  std::vector<InferenceCall> calls_;
  size_t next_ = 0;
  size_t fold_at_;
  // What is not told apart from outside: sums, and calls that they lack.
  mutable size_t fresh_ = 0;
  mutable uint64_t rows_ = 0, updates_ = 0;
  mutable observe::Histogram inference_;
};

}  // namespace spinney::binding
