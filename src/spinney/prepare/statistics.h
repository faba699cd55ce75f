// Statistics: what has been seen of every column so far, from which a recipe can be made at any
// time. One pass over the rows; statistics of two parts can be joined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/prepare/fit.h"
#include "spinney/prepare/frequencies.h"
#include "spinney/prepare/moments.h"
#include "spinney/prepare/options.h"
#include "spinney/prepare/recipe.h"
#include "spinney/prepare/sketch.h"

namespace spinney::prepare {

class Statistics {
 public:
  // An error if the options contradict themselves or ask for what one pass cannot give: power
  // transforms, whose likelihood is a function of all values.
  static Result<Statistics> make(const Options& options, size_t width);
  // Those that fit() took. They can be added to only if no column's order is needed, which fit()
  // reads from the rows themselves.
  static Statistics of(const Options& options, const Fitted& fitted);

  const Options& options() const { return options_; }
  size_t width() const { return width_; }
  bool can_continue() const { return can_continue_; }
  uint64_t rows() const { return rows_; }

  // Rows that come after those seen. The result does not depend on how rows are divided between
  // calls or threads. All or nothing: after an error everything is as it was, and what was accepted
  // gives a recipe. Only memory that runs out may spoil the summaries, which is then said by all
  // that would need them.
  Status update(const Rows& rows, const Parallel& parallel,
                const Kernels& kernels = best_kernels());
  // As if the other's rows came after these. Sums are rounded otherwise than in one pass. All or
  // nothing as well.
  Status merge(const Statistics& other);

  Moments moments() const { return raw_.total(); }
  // An error if no row was seen.
  Result<Recipe> recipe() const;
  // By how much of all values a percentile of column c may at most be misplaced; 0 if exact.
  double rank_error_max(size_t c) const;
  // By how many occurrences a value's count may be too small in column c.
  uint64_t frequency_error(size_t c) const;

  std::vector<char> to_bytes() const;
  static Result<Statistics> from_bytes(std::span<const char> bytes);

 private:
  Statistics(const Options& options, size_t width);
  void make_summaries();
  void update_summaries(const Rows& rows, const Parallel& parallel);
  Status check_usable() const;
  // Whether columns of these moments give finite centres and scales for certain.
  bool surely_scalable(const Moments& sum) const;
  // Takes the other's place if a recipe can be made of it.
  Status become(Statistics next);

  Options options_;
  size_t width_;
  bool can_continue_ = true;
  bool is_spoilt_ = false;  // memory ran out while the summaries changed
  uint64_t rows_ = 0;
  RunningMoments raw_;
  std::vector<QuantileSketch> sketches_;  // one a column, or none
  std::vector<Frequencies> frequencies_;  // one a column, or none
};

}  // namespace spinney::prepare
