// QuantileSketch: a column's distribution in bounded memory, exact while it is small.
//
// The KLL sketch (Karnin, Lang and Liberty 2016, "Optimal quantile approximation in streams"):
// levels of values that each count 2^level times; a full level is sorted and every second of its
// values moves up. Whether the even or the odd ones is decided by a fixed sequence, so that equal
// values in equal order give equal sketches. Levels above the lowest stay sorted. Up to `exact`
// values all are kept and nothing is lost. Beyond, a place in the order is off by no more than
// rank_error_max() values, which is counted, not estimated: each move of a level adds at most its
// weight. With 99 % probability it is off by less than 2.3 / size^0.97 of all values for a single
// place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/prepare/sample.h"

namespace spinney::prepare {

class QuantileSketch {
 public:
  QuantileSketch(size_t size, size_t exact) : size_(size), exact_(exact), levels_(1) {}

  void add(double value) {
    levels_[0].push_back(value);
    ++count_;
    if (levels_[0].size() >= limit_) compress();
  }
  void merge(const QuantileSketch& other);

  uint64_t count() const { return count_; }
  bool is_exact() const { return levels_.size() == 1; }
  uint64_t rank_error_max() const { return rank_error_; }
  Sample sample() const;
  size_t values_kept() const;

  // What is written to files.
  const std::vector<std::vector<double>>& levels() const { return levels_; }
  uint64_t moves() const { return moves_; }
  // An error if the weights do not add up to the count or a value is not finite.
  Status restore(std::vector<std::vector<double>> levels, uint64_t count, uint64_t moves,
                 uint64_t rank_error);

 private:
  void add_level();
  void set_capacities();
  void compress();
  void move_up(size_t level);

  size_t size_, exact_;
  std::vector<size_t> capacities_;  // of the levels, once there are several
  size_t capacity_of_all_ = exact_;
  std::vector<std::vector<double>> levels_;
  uint64_t count_ = 0;
  uint64_t moves_ = 0;
  uint64_t rank_error_ = 0;
  size_t limit_ = exact_ + 1;  // of level 0, before it is looked at again
};

}  // namespace spinney::prepare
