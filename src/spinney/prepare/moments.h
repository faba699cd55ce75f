// Moments: counts, mean, spread and extremes of every column, gathered in one pass.
//
// Rows are taken in blocks of kMomentRows by their number since the start, each block by Welford's
// updates and the blocks joined in order by Chan's, so that the sums do not depend on how rows are
// divided between calls or threads. (Welford 1962; Chan, Golub and LeVeque 1983.)
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "spinney/model/rows.h"
#include "spinney/prepare/steps.h"

namespace spinney::prepare {

inline constexpr size_t kMomentRows = 1024;

// Calls run(0) to run(parts - 1), each once, in any order, on whatever threads; returns when done.
using Parallel = std::function<void(size_t parts, const std::function<void(size_t)>& run)>;
// On the calling thread, one after the other.
void run_serially(size_t parts, const std::function<void(size_t)>& run);

struct ColumnMoments {
  double count = 0;  // finite values
  double mean = 0, m2 = 0;
  double min = 0, max = 0;  // +-infinity while count is 0
  double missing = 0, positive = 0, negative = 0;

  double variance() const { return count > 0 ? m2 / count : 0; }
  // As if a value had been seen so many times more.
  void add(double value, double times);
};

struct Moments {
  explicit Moments(size_t width);

  std::vector<double> count, mean, m2, min, max, missing, positive, negative;

  size_t width() const { return count.size(); }
  ColumnMoments column(size_t c) const;
  // Rows that come after those of this one.
  void merge(const Moments& later);
  // Rows of one block, in order; values beyond [low, high] count as the nearer bound.
  void add(const Rows& rows, double low, double high, const Kernels& kernels);
  BlockMoments block(size_t first_column);
};

// The moments of all rows so far: whole blocks joined, and the last one as far as it has come.
class RunningMoments {
 public:
  RunningMoments(size_t width, double low, double high)
      : whole_(width), open_(width), low_(low), high_(high) {}

  void add(const Rows& rows, const Parallel& parallel, const Kernels& kernels);
  void merge(const RunningMoments& other);
  Moments total() const;

  // What is written to files.
  const Moments& whole() const { return whole_; }
  const Moments& open() const { return open_; }
  size_t open_rows() const { return open_rows_; }
  void restore(Moments whole, Moments open, size_t open_rows);

 private:
  void add_whole_blocks(const Rows& rows, const Parallel& parallel, const Kernels& kernels);

  Moments whole_, open_;
  size_t open_rows_ = 0;
  double low_, high_;
};

}  // namespace spinney::prepare
