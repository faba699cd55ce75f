// BatchLog: what workers note of each batch until Python asks, since metrics are kept under the
// interpreter's lock, which workers do not take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace spinney::binding {

class BatchLog {
 public:
  struct Batch {
    int64_t run_ns;
    size_t rows;
  };

  void add(Batch batch) noexcept {
    const std::lock_guard lock(mutex_);
    if (batches_.size() < kBatches)
      batches_.push_back(batch);  // within the capacity reserved
    else
      lost_rows_ += batch.rows;
  }
  // What was noted since the last call; lost: rows of batches beyond what is kept, ever.
  std::vector<Batch> take(uint64_t& lost_rows) {
    std::vector<Batch> fresh;
    fresh.reserve(kBatches);
    const std::lock_guard lock(mutex_);
    lost_rows = lost_rows_;
    batches_.swap(fresh);
    return fresh;
  }

  BatchLog() { batches_.reserve(kBatches); }

 private:
  static constexpr size_t kBatches = 4096;
  std::mutex mutex_;
  std::vector<Batch> batches_;
  uint64_t lost_rows_ = 0;
};

}  // namespace spinney::binding
