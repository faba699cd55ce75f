// CostFit: the time of a batch as a * rows + b, fitted to the batches that were run.
//
// Least squares with weights that fade, so that the fit follows a CPU that gets slower. A batch
// that took much longer than expected (its thread lost the CPU) is counted as a few times the
// expected.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace spinney::batch {

class CostFit {
 public:
  // What is believed before anything was measured; nothing if both are 0.
  void assume(double row_ns, double batch_ns) {
    row_ns_ = row_ns;
    batch_ns_ = batch_ns;
  }
  void add(size_t rows, double ns) {
    const double x = static_cast<double>(rows);
    const double expected = row_ns_ * x + batch_ns_;
    if (samples_ >= kSamplesMin) ns = std::min(ns, kOutlier * expected);
    ++samples_;
    weight_ = kFade * weight_ + 1;
    x_ = kFade * x_ + x;
    y_ = kFade * y_ + ns;
    xx_ = kFade * xx_ + x * x;
    xy_ = kFade * xy_ + x * ns;
    const double mean_x = x_ / weight_;
    const double mean_y = y_ / weight_;
    const double variance = xx_ / weight_ - mean_x * mean_x;
    shape_known_ = variance > 0.01 * mean_x * mean_x + 0.1;
    if (shape_known_) {
      row_ns_ = std::max(0.0, (xy_ / weight_ - mean_x * mean_y) / variance);
      row_ns_ = std::min(row_ns_, mean_y / mean_x);
      batch_ns_ = mean_y - row_ns_ * mean_x;
    } else {
      // Batches of one size tell only the sum; the shares stay what they were.
      const double sum = row_ns_ * mean_x + batch_ns_;
      if (sum > 0) {
        row_ns_ *= mean_y / sum;
        batch_ns_ *= mean_y / sum;
      } else {
        row_ns_ = mean_y / mean_x;
      }
    }
  }
  // A smaller batch is believed to cost what one of so many rows does: where all had one size, it
  // is not known what part of the cost goes with the rows.
  size_t rows_at_least() const {
    return shape_known_ || weight_ == 0 ? 0 : static_cast<size_t>(std::ceil(x_ / weight_));
  }
  bool known() const { return samples_ >= kSamplesMin || row_ns_ + batch_ns_ > 0; }
  double row_ns() const { return row_ns_; }
  double batch_ns() const { return batch_ns_; }
  double cost_ns(size_t rows) const { return row_ns_ * static_cast<double>(rows) + batch_ns_; }

  // The smallest batch whose cost per row is within kWorthwhile of the best possible.
  size_t worthwhile_rows(size_t rows_max) const {
    if (row_ns_ <= 0) return rows_max;
    const double rows = (batch_ns_ + kOwnBatchNs) / (kWorthwhile * row_ns_);
    if (rows >= static_cast<double>(rows_max)) return rows_max;
    return std::min(rows_max, std::max(kRowsMin, static_cast<size_t>(rows) + 1));
  }

 private:
  static constexpr double kFade = 0.98;
  static constexpr double kOutlier = 4;
  static constexpr double kWorthwhile = 0.03;
  static constexpr double kOwnBatchNs = 1'000;  // what a batch costs the engine itself
  static constexpr size_t kRowsMin = 8;
  static constexpr size_t kSamplesMin = 8;
  double row_ns_ = 0;
  double batch_ns_ = 0;
  double weight_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0;
  size_t samples_ = 0;
  bool shape_known_ = false;
};

}  // namespace spinney::batch
