// InferenceWindow: the latest calls of a PerformanceMetrics, and sums over all of them.
//
// Used under the interpreter's lock only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spinney/base/clock.h"
#include "spinney/observe/histogram.h"

namespace spinney::binding {

struct InferenceCall {
  double inference_s = 0, preprocessing_s = 0, quantization_s = 0;
  int64_t rows = 0;
  int64_t ended_ns = 0;
};

class InferenceWindow {
 public:
  explicit InferenceWindow(size_t calls_max) : calls_(calls_max) {}

  void add(InferenceCall call) {
    call.ended_ns = SteadyClock::instance().now_ns();
    calls_[next_] = call;
    next_ = next_ + 1 == calls_.size() ? 0 : next_ + 1;
    if (size_ < calls_.size()) ++size_;
    rows += static_cast<uint64_t>(call.rows);
    ++updates;
    inference.record_signed(to_ns(call.inference_s));
  }
  // The i-th oldest of size() calls.
  const InferenceCall& call(size_t i) const {
    return calls_[(next_ + calls_.size() - size_ + i) % calls_.size()];
  }
  size_t size() const { return size_; }
  size_t calls_max() const { return calls_.size(); }
  void reset() {
    next_ = size_ = 0;
    rows = updates = errors = hits = misses = 0;
    inference.reset();
  }

  // NaN and what is beyond 292 years count as 0.
  static int64_t to_ns(double seconds) {
    return seconds > 0 && seconds < 9.2e9 ? static_cast<int64_t>(seconds * 1e9) : 0;
  }

  uint64_t rows = 0, updates = 0, errors = 0, hits = 0, misses = 0;
  observe::Histogram inference;

 private:
  std::vector<InferenceCall> calls_;
  size_t next_ = 0, size_ = 0;
};

}  // namespace spinney::binding
