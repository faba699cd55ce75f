#include "spinney/prepare/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "spinney/prepare/tile.h"

namespace spinney::prepare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Bounds of what summaries of all columns together keep exactly.
constexpr size_t kExactValues = size_t{1} << 24;
constexpr size_t kFrequencyEntries = size_t{1} << 22;
// 2^53 squares of distances between values below this have a finite sum, and so has everything else
// that a recipe is made of. Larger values are let in only once a recipe was made of them.
constexpr double kTame = 1e140;

template <typename T, typename Take>
void each_finite(const Rows& rows, size_t c, Take&& take) {
  const char* p =
      static_cast<const char*>(rows.data) + static_cast<ptrdiff_t>(c) * rows.column_stride;
  for (size_t r = 0; r < rows.count; ++r, p += rows.row_stride) {
    T value;
    std::memcpy(&value, p, sizeof value);
    if (value - value == 0) take(static_cast<double>(value) + 0.0);
  }
}

template <typename Take>
void each_finite(const Rows& rows, size_t c, Take&& take) {
  if (rows.type == NumberType::kFloat32)
    each_finite<float>(rows, c, take);
  else
    each_finite<double>(rows, c, take);
}

}  // namespace

Statistics::Statistics(const Options& options, size_t width)
    : options_(options), width_(width), raw_(width, -kInfinity, kInfinity) {}

Result<Statistics> Statistics::make(const Options& options, size_t width) {
  SPINNEY_TRY(options.check());
  if (width == 0 || width > kWidthMax)
    return invalid_argument("the rows have " + std::to_string(width) + " columns; from 1 to " +
                            std::to_string(kWidthMax) + " are possible");
  if (options.normalization == Normalization::kYeoJohnson ||
      options.normalization == Normalization::kBoxCox)
    return unsupported(
        "power transforms are fitted over all values at once, not in one pass: use fit() instead "
        "of partial_fit()");
  Statistics statistics(options, width);
  statistics.make_summaries();
  return statistics;
}

void Statistics::make_summaries() {
  const size_t size = options_.sketch_size;
  const size_t exact = std::clamp(kExactValues / width_, size, 16 * size);
  if (options_.needs_order()) sketches_.assign(width_, QuantileSketch(size, exact));
  const size_t entries = std::clamp<size_t>(kFrequencyEntries / width_, 256, 16384);
  if (options_.needs_mode()) frequencies_.assign(width_, Frequencies(entries));
}

Statistics Statistics::of(const Options& options, const Fitted& fitted) {
  Statistics statistics(options, fitted.recipe.width());
  statistics.raw_ = fitted.running;
  statistics.rows_ = fitted.rows;
  statistics.can_continue_ = !options.needs_order() && !options.needs_mode();
  return statistics;
}

Status Statistics::check_usable() const {
  if (!is_spoilt_) return {};
  return too_large(
      "memory ran out while percentiles or frequencies were updated, so that they do not fit the "
      "rows any more; call reset() and begin again");
}

bool Statistics::surely_scalable(const Moments& sum) const {
  const Options& o = options_;
  const bool tame_options = std::abs(o.missing_constant) < kTame &&
                            std::abs(o.infinite_constant) < kTame &&
                            std::max(std::abs(o.range_low), std::abs(o.range_high)) < kTame &&
                            o.range_high - o.range_low > 1 / kTame;
  if (!tame_options) return false;
  const double limit = kTame / std::max(1.0, o.infinite_buffer);
  for (size_t c = 0; c < width_; ++c)
    if (sum.count[c] > 0 && !(sum.min[c] > -limit && sum.max[c] < limit)) return false;
  return true;
}

Status Statistics::become(Statistics next) {
  SPINNEY_ASSIGN(const Recipe recipe, next.recipe());
  SPINNEY_TRY(recipe.check());
  *this = std::move(next);
  return {};
}

Status Statistics::update(const Rows& rows, const Parallel& parallel, const Kernels& kernels) {
  if (rows.width != width_)
    return invalid_argument("the rows have " + std::to_string(rows.width) +
                            " columns, but those before had " + std::to_string(width_));
  if (!can_continue_)
    return unsupported(
        "fit() took percentiles or frequencies from its rows and kept no summary of them; call "
        "reset() and give all rows to partial_fit()");
  SPINNEY_TRY(check_usable());
  if (rows.count == 0) return {};
  RunningMoments raw = raw_;
  raw.add(rows, parallel, kernels);
  if (!surely_scalable(raw.total())) {
    Statistics next = *this;
    next.raw_ = std::move(raw);
    next.update_summaries(rows, parallel);
    next.rows_ += rows.count;
    return become(std::move(next));
  }
  update_summaries(rows, parallel);
  raw_ = std::move(raw);
  rows_ += rows.count;
  return {};
}

void Statistics::update_summaries(const Rows& rows, const Parallel& parallel) {
  if (sketches_.empty() && frequencies_.empty()) return;
  is_spoilt_ = true;  // until all columns are done
  // Rows a few thousand at a time, so that neighbouring columns find them in the cache.
  const size_t at_once = std::max<size_t>(1, (size_t{1} << 18) / width_);
  for (size_t first = 0; first < rows.count; first += at_once) {
    const Rows part = rows.slice(first, std::min(at_once, rows.count - first));
    parallel(width_, [&](size_t c) {
      if (!sketches_.empty()) each_finite(part, c, [&](double value) { sketches_[c].add(value); });
      if (!frequencies_.empty())
        each_finite(part, c, [&](double value) { frequencies_[c].add(value); });
    });
  }
  is_spoilt_ = false;
}

Status Statistics::merge(const Statistics& other) {
  if (other.width_ != width_)
    return invalid_argument("the statistics have " + std::to_string(width_) + " and " +
                            std::to_string(other.width_) + " columns");
  if (!can_continue_ || !other.can_continue_ || other.sketches_.size() != sketches_.size() ||
      other.frequencies_.size() != frequencies_.size())
    return unsupported(
        "the two statistics do not keep the same summaries; give both the same "
        "configuration and use partial_fit() for both");
  SPINNEY_TRY(check_usable());
  SPINNEY_TRY(other.check_usable());
  if (other.rows_ == 0) return {};
  Statistics next = *this;
  next.raw_.merge(other.raw_);
  for (size_t c = 0; c < sketches_.size(); ++c) next.sketches_[c].merge(other.sketches_[c]);
  for (size_t c = 0; c < frequencies_.size(); ++c)
    next.frequencies_[c].merge(other.frequencies_[c]);
  next.rows_ += other.rows_;
  return become(std::move(next));
}

Result<Recipe> Statistics::recipe() const {
  if (rows_ == 0) return invalid_argument("no row was seen yet; give one at least");
  SPINNEY_TRY(check_usable());
  const Moments raw = raw_.total();
  Recipe recipe = make_recipe(options_, width_, static_cast<double>(rows_));
  for (size_t c = 0; c < width_; ++c) {
    ColumnFacts facts{raw.column(c), {}, {}};
    if (!sketches_.empty()) facts.sample = sketches_[c].sample();
    if (!frequencies_.empty() && !frequencies_[c].empty()) facts.mode = frequencies_[c].mode();
    SPINNEY_TRY(fit_column(options_, std::move(facts), c, recipe));
  }
  return recipe;
}

double Statistics::rank_error_max(size_t c) const {
  if (sketches_.empty() || sketches_[c].count() == 0) return 0;
  return static_cast<double>(sketches_[c].rank_error_max()) /
         static_cast<double>(sketches_[c].count());
}

uint64_t Statistics::frequency_error(size_t c) const {
  return frequencies_.empty() ? 0 : frequencies_[c].error();
}

}  // namespace spinney::prepare
