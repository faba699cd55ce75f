#include "spinney/prepare/options.h"

#include <cmath>
#include <string>

namespace spinney::prepare {
namespace {

Status check_percentiles(const char* name, double low, double high) {
  if (low >= 0 && low < high && high <= 100) return {};
  return invalid_argument(std::string(name) + " is (" + std::to_string(low) + ", " +
                          std::to_string(high) + "); give two growing numbers from 0 to 100");
}

Status check_finite(const char* name, double value) {
  if (std::isfinite(value)) return {};
  return invalid_argument(std::string(name) + " is " + std::to_string(value) +
                          "; give a finite number");
}

Status check_positive(const char* name, double value) {
  if (std::isfinite(value) && value > 0) return {};
  return invalid_argument(std::string(name) + " is " + std::to_string(value) +
                          "; give a positive number");
}

}  // namespace

bool Options::needs_order() const {
  return missing == Fill::kMedian || infinite == Fill::kMedian || outliers != OutlierRule::kNone ||
         normalization == Normalization::kRobust || normalization == Normalization::kQuantile ||
         normalization == Normalization::kYeoJohnson || normalization == Normalization::kBoxCox;
}

Status Options::check() const {
  SPINNEY_TRY(check_percentiles("robust_percentiles", robust_low, robust_high));
  SPINNEY_TRY(check_percentiles("outlier_percentiles", percentile_low, percentile_high));
  SPINNEY_TRY(check_finite("nan_fill_value", missing_constant));
  SPINNEY_TRY(check_finite("inf_fill_value", infinite_constant));
  SPINNEY_TRY(check_finite("scale_offset", offset));
  SPINNEY_TRY(check_positive("outlier_iqr_multiplier", iqr_multiplier));
  SPINNEY_TRY(check_positive("outlier_zscore_threshold", zscore));
  if (!(std::isfinite(range_low) && std::isfinite(range_high) && range_low < range_high))
    return invalid_argument("feature_range must be two growing finite numbers");
  SPINNEY_TRY(check_positive("inf_buffer", infinite_buffer));
  if (!(std::isfinite(epsilon) && epsilon >= 0))
    return invalid_argument("epsilon must be a finite number, 0 or more");
  if (clip && !(clip_low <= clip_high))
    return invalid_argument("clip_min must not be above clip_max, and neither may be NaN");
  if (quantile_count < 1 || quantile_count > 100000)
    return invalid_argument("n_quantiles is " + std::to_string(quantile_count) +
                            "; give 1 to 100000");
  if (sketch_size < 64 || sketch_size > 65536)
    return invalid_argument("sketch_size is " + std::to_string(sketch_size) + "; give 64 to 65536");
  if (missing == Fill::kMissing || missing == Fill::kRange)
    return invalid_argument("nan_strategy may be mean, median, most_frequent or constant");
  return {};
}

}  // namespace spinney::prepare
