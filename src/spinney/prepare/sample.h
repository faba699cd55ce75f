// Sample: a column's values in ascending order, each with how often it counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "spinney/prepare/moments.h"

namespace spinney::prepare {

class Sample {
 public:
  Sample() = default;
  // Ascending values that count once each.
  explicit Sample(std::vector<double> values) : values_(std::move(values)) {}
  // Values in any order with their weights.
  explicit Sample(std::vector<std::pair<double, uint64_t>> weighted);

  bool empty() const { return values_.empty(); }
  // The sum of all weights.
  uint64_t total() const { return ends_.empty() ? values_.size() : ends_.back(); }
  const std::vector<double>& values() const { return values_; }
  uint64_t weight(size_t i) const {
    return ends_.empty() ? 1 : ends_[i] - (i > 0 ? ends_[i - 1] : 0);
  }

  // By straight lines between neighbours, as numpy's default. The sample may not be empty.
  double percentile(double percent) const;
  // The smallest of the most frequent values.
  double mode() const;
  // Counted twice over the values: first the mean, then the distances from it.
  ColumnMoments moments() const;
  // A value that counts so many times more.
  void insert(double value, uint64_t times);
  // Everything below `low` becomes `below`, everything above `high` becomes `above`.
  void replace_beyond(double low, double high, double below, double above);

 private:
  double at(uint64_t place) const;

  std::vector<double> values_;
  std::vector<uint64_t> ends_;  // sums of weights; empty while all are 1
};

// Sorts a column's finite values; they are numbers of float if `single`, which is faster.
void sort_values(std::vector<double>& values, bool single);

}  // namespace spinney::prepare
