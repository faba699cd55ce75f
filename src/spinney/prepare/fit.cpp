#include "spinney/prepare/fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "spinney/prepare/power.h"

namespace spinney::prepare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

struct Atom {
  double value;
  double times;
};

// One column on its way through the steps.
class ColumnFit {
 public:
  ColumnFit(const Options& options, ColumnFacts facts, size_t c, Recipe& recipe)
      : options_(options), facts_(std::move(facts)), c_(c), recipe_(recipe) {}

  Status run() {
    fill();
    if (facts_.sample)
      for (const Atom& atom : atoms_)
        facts_.sample->insert(atom.value, static_cast<uint64_t>(atom.times));
    if (options_.outliers != OutlierRule::kNone) bound_outliers();
    SPINNEY_TRY(normalize());
    return check();
  }

 private:
  bool seen() const { return facts_.raw.count > 0; }

  double filling(Fill fill, double constant) const {
    if (fill == Fill::kConstant || !seen()) return constant;
    if (fill == Fill::kMean) return facts_.raw.mean;
    if (fill == Fill::kMedian) return facts_.sample->percentile(50);
    return facts_.mode.value_or(facts_.raw.min);
  }

  void fill() {
    double missing = std::numeric_limits<double>::quiet_NaN();
    if (recipe_.fills_missing) {
      missing = filling(options_.missing, options_.missing_constant);
      recipe_.missing_fill[c_] = missing;
      add_atom(missing, facts_.raw.missing);
    }
    if (!recipe_.fills_infinite) return;
    double high = missing, low = missing;
    if (options_.infinite == Fill::kConstant) {
      high = options_.infinite_constant;
      low = -high;
    } else if (options_.infinite == Fill::kRange) {
      const double max = seen() ? facts_.raw.max : 0, min = seen() ? facts_.raw.min : 0;
      high = std::min(max + (options_.infinite_buffer - 1) * std::abs(max), kLargest);
      low = std::max(min - (options_.infinite_buffer - 1) * std::abs(min), -kLargest);
    } else if (options_.infinite != Fill::kMissing) {
      high = low = filling(options_.infinite, options_.infinite_constant);
    }
    recipe_.positive_fill[c_] = high;
    recipe_.negative_fill[c_] = low;
    add_atom(high, facts_.raw.positive);
    add_atom(low, facts_.raw.negative);
  }

  void add_atom(double value, double times) {
    if (times > 0 && std::isfinite(value)) atoms_.push_back({value, times});
  }

  // Values as they came and those filled in.
  ColumnMoments filled() const {
    ColumnMoments sum = facts_.raw;
    for (const Atom& atom : atoms_) sum.add(atom.value, atom.times);
    return sum;
  }

  void bound_outliers() {
    Sample& sample = *facts_.sample;
    double low = -kInfinity, high = kInfinity;
    if (!sample.empty()) {
      if (options_.outliers == OutlierRule::kIqr) {
        const double first = sample.percentile(25), third = sample.percentile(75);
        low = first - options_.iqr_multiplier * (third - first);
        high = third + options_.iqr_multiplier * (third - first);
      } else if (options_.outliers == OutlierRule::kZscore) {
        const ColumnMoments all = filled();
        const double reach = options_.zscore * std::sqrt(all.variance());
        low = all.mean - reach;
        high = all.mean + reach;
      } else {
        low = sample.percentile(options_.percentile_low);
        high = sample.percentile(options_.percentile_high);
      }
    }
    recipe_.low[c_] = recipe_.below[c_] = low;
    recipe_.high[c_] = recipe_.above[c_] = high;
    if (sample.empty() || options_.outlier_action == OutlierAction::kKeep) return;
    choose_replacements(low, high);
    const size_t before = sample.values().size();
    const bool any = sample.values().front() < low || sample.values().back() > high;
    if (before > 0 && any) {
      sample.replace_beyond(low, high, recipe_.below[c_], recipe_.above[c_]);
      replaced_ = true;
    }
  }

  void choose_replacements(double low, double high) {
    const auto& values = facts_.sample->values();
    const auto first = std::lower_bound(values.begin(), values.end(), low);
    const auto last = std::upper_bound(values.begin(), values.end(), high);
    if (first >= last) return;  // nothing lies between the bounds
    if (options_.outlier_action == OutlierAction::kWinsorize) {
      recipe_.below[c_] = *first;
      recipe_.above[c_] = *(last - 1);
    } else if (options_.outlier_action == OutlierAction::kMean) {
      std::vector<std::pair<double, uint64_t>> inside;
      for (auto i = static_cast<size_t>(first - values.begin());
           i < static_cast<size_t>(last - values.begin()); ++i)
        inside.emplace_back(values[i], facts_.sample->weight(i));
      recipe_.below[c_] = recipe_.above[c_] = Sample(std::move(inside)).moments().mean;
    }
  }

  Status normalize() {
    const ColumnMoments all = replaced_ ? facts_.sample->moments() : filled();
    if (all.count == 0) return {};
    switch (options_.normalization) {
      case Normalization::kNone:
        return {};
      case Normalization::kStandard:
        standardize(all);
        return {};
      case Normalization::kMinmax: {
        const double range = usable(all.max - all.min);
        set(0, (options_.range_high - options_.range_low) / range);
        recipe_.center[c_] = options_.range_low - all.min * recipe_.scale[c_];
        return {};
      }
      case Normalization::kRobust: {
        const Sample& sample = *facts_.sample;
        set(sample.percentile(50), usable(sample.percentile(options_.robust_high) -
                                          sample.percentile(options_.robust_low)));
        return {};
      }
      case Normalization::kLog:
        set(std::min(0.0, all.min), 1);
        return {};
      case Normalization::kQuantile:
        tabulate();
        return {};
      case Normalization::kYeoJohnson:
      case Normalization::kBoxCox:
        return fit_power(all);
    }
    return {};
  }

  void set(double center, double scale) {
    recipe_.center[c_] = center;
    recipe_.scale[c_] = scale;
  }

  double usable(double range) const {
    return range < 10 * kEpsilon || range <= options_.epsilon ? 1 : range;
  }

  // Chan, Golub and LeVeque's bound of the rounding errors in a variance, as scikit-learn uses it.
  bool is_constant(const ColumnMoments& all) const {
    const double variance = all.variance(), n = all.count;
    if (!std::isfinite(variance)) return false;  // refused later
    const double error = n * all.mean * kEpsilon;
    return variance <= n * kEpsilon * variance + error * error ||
           std::sqrt(variance) <= options_.epsilon;
  }

  void standardize(const ColumnMoments& all) {
    set(all.mean, is_constant(all) ? 1 : std::sqrt(all.variance()));
  }

  void tabulate() {
    const uint32_t n = recipe_.quantile_count;
    double* table = recipe_.quantiles.data() + size_t{c_} * n;
    for (uint32_t i = 0; i < n; ++i) {
      const double percent = n == 1 ? 0 : 100.0 * (static_cast<double>(i) / (n - 1));
      table[i] = facts_.sample->percentile(percent);
      if (i > 0) table[i] = std::max(table[i], table[i - 1]);
    }
  }

  Status fit_power(const ColumnMoments& all) {
    const Sample& sample = *facts_.sample;
    const Normalization power = options_.normalization;
    if (power == Normalization::kBoxCox && all.min <= 0)
      return invalid_argument("column " + std::to_string(c_) + " holds " + std::to_string(all.min) +
                              ", but Box-Cox needs positive values; use Yeo-Johnson");
    recipe_.lambda[c_] = is_constant(all) ? 1 : fit_lambda(power, sample);
    standardize(power_moments(power, recipe_.lambda[c_], sample));
    return {};
  }

  Status check() const {
    const bool scales = std::isfinite(recipe_.center[c_]) && std::isfinite(recipe_.scale[c_]) &&
                        recipe_.scale[c_] != 0;
    const bool becomes_nan = options_.infinite == Fill::kMissing && !recipe_.fills_missing;
    const bool fills =
        (!recipe_.fills_missing || std::isfinite(recipe_.missing_fill[c_])) &&
        (!recipe_.fills_infinite || becomes_nan ||
         (std::isfinite(recipe_.positive_fill[c_]) && std::isfinite(recipe_.negative_fill[c_])));
    const bool bounds = !recipe_.has_outliers || recipe_.low[c_] <= recipe_.high[c_];
    if (scales && fills && bounds) return {};
    return invalid_argument("the values of column " + std::to_string(c_) +
                            " are too large: their spread is no finite number; divide them by a "
                            "power of 2 first");
  }

  const Options& options_;
  ColumnFacts facts_;
  const size_t c_;
  Recipe& recipe_;
  std::vector<Atom> atoms_;
  bool replaced_ = false;  // outliers were, so that only the sample knows the moments
};

// Columns are gathered together, so that a row's neighbours are read once: so many bytes at most.
constexpr size_t kGatherBytes = size_t{64} << 20;
constexpr size_t kGatherColumns = 16;

template <typename T>
void gather_finite(const Rows& rows, size_t first, std::vector<std::vector<double>>& columns) {
  for (auto& column : columns) column.reserve(rows.count);
  for (size_t r = 0; r < rows.count; ++r) {
    const char* p = rows.row(r) + static_cast<ptrdiff_t>(first) * rows.column_stride;
    for (auto& column : columns) {
      T value;
      std::memcpy(&value, p, sizeof value);
      if (value - value == 0) column.push_back(static_cast<double>(value) + 0.0);
      p += rows.column_stride;
    }
  }
}

std::vector<std::vector<double>> sorted_columns(const Rows& rows, size_t first, size_t n) {
  std::vector<std::vector<double>> columns(n);
  const bool single = rows.type == NumberType::kFloat32;
  if (single)
    gather_finite<float>(rows, first, columns);
  else
    gather_finite<double>(rows, first, columns);
  for (auto& column : columns) sort_values(column, single);
  return columns;
}

// An empty optional holds what has not failed.
Status first_failure(const std::vector<Status>& all) {
  for (const Status& status : all)
    if (!status.ok()) return status;
  return {};
}

Status fit_columns(const Options& options, const Rows& rows, const Moments& raw,
                   const Parallel& parallel, Recipe& recipe) {
  const bool ordered = options.needs_order() || options.needs_mode();
  const size_t fitting = std::max<size_t>(1, kGatherBytes / 8 / std::max<size_t>(1, rows.count));
  const size_t together = std::min(kGatherColumns, fitting);
  const size_t parts = (rows.width + together - 1) / together;
  std::vector<Status> failures(parts);
  parallel(parts, [&](size_t part) {
    const size_t first = part * together;
    const size_t n = std::min(together, rows.width - first);
    std::vector<std::vector<double>> columns;
    if (ordered) columns = sorted_columns(rows, first, n);
    for (size_t i = 0; i < n && failures[part].ok(); ++i) {
      ColumnFacts facts{raw.column(first + i), {}, {}};
      if (ordered) {
        Sample sample(std::move(columns[i]));
        if (options.needs_mode() && !sample.empty()) facts.mode = sample.mode();
        facts.sample = std::move(sample);
      }
      failures[part] = fit_column(options, std::move(facts), first + i, recipe);
    }
  });
  return first_failure(failures);
}

}  // namespace

Recipe make_recipe(const Options& options, size_t width, double rows) {
  Recipe recipe;
  recipe.normalization = options.normalization;
  recipe.fills_missing = options.missing != Fill::kKeep;
  recipe.fills_infinite = options.infinite != Fill::kKeep;
  recipe.has_outliers = options.outliers != OutlierRule::kNone;
  recipe.marks_only = options.outlier_action == OutlierAction::kKeep;
  recipe.clip = options.clip ? Clip::kLast : Clip::kNone;
  recipe.clip_low = options.clip_low;
  recipe.clip_high = options.clip_high;
  recipe.offset = options.offset;
  recipe.quantile_normal = options.quantile_normal;
  recipe.center.assign(width, 0);
  recipe.scale.assign(width, 1);
  if (recipe.fills_missing) recipe.missing_fill.assign(width, 0);
  if (recipe.fills_infinite) {
    recipe.positive_fill.assign(width, 0);
    recipe.negative_fill.assign(width, 0);
  }
  if (recipe.has_outliers) {
    for (auto* values : {&recipe.low, &recipe.below}) values->assign(width, -kInfinity);
    for (auto* values : {&recipe.high, &recipe.above}) values->assign(width, kInfinity);
  }
  if (options.normalization == Normalization::kYeoJohnson ||
      options.normalization == Normalization::kBoxCox)
    recipe.lambda.assign(width, 1);
  if (options.normalization == Normalization::kQuantile) {
    recipe.quantile_count =
        static_cast<uint32_t>(std::clamp(rows, 1.0, static_cast<double>(options.quantile_count)));
    recipe.quantiles.assign(width * recipe.quantile_count, 0);
  }
  return recipe;
}

Status fit_column(const Options& options, ColumnFacts facts, size_t c, Recipe& recipe) {
  return ColumnFit(options, std::move(facts), c, recipe).run();
}

Result<Fitted> fit(const Options& options, const Rows& rows, const Parallel& parallel,
                   const Kernels& kernels) {
  SPINNEY_TRY(options.check());
  if (rows.count == 0) return invalid_argument("there are no rows to fit on; give one at least");
  if (rows.width == 0 || rows.width > kWidthMax)
    return invalid_argument("the rows have " + std::to_string(rows.width) + " columns; from 1 to " +
                            std::to_string(kWidthMax) + " are possible");
  RunningMoments running(rows.width, -kInfinity, kInfinity);
  running.add(rows, parallel, kernels);
  Moments raw = running.total();
  Recipe recipe = make_recipe(options, rows.width, static_cast<double>(rows.count));
  SPINNEY_TRY(fit_columns(options, rows, raw, parallel, recipe));
  return Fitted{std::move(recipe), std::move(raw), std::move(running), rows.count};
}

}  // namespace spinney::prepare
