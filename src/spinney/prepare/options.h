// What a preprocessor is asked to do, column by column, in this order:
// infinities, missing values, outliers, normalization, offset, clipping.
// Each step is fitted on what the steps before it give, as in a chain of scikit-learn's objects.
#pragma once

#include <cstdint>

#include "spinney/base/result.h"

namespace spinney::prepare {

enum class Normalization : uint8_t {
  kNone = 0,
  kStandard = 1,    // (x - mean) / standard deviation
  kMinmax = 2,      // x * scale + shift, so that training values fill [range_low, range_high]
  kRobust = 3,      // (x - median) / (high percentile - low percentile)
  kQuantile = 4,    // place among the training quantiles, uniform or normal
  kLog = 5,         // log(1 + x - min(0, training minimum))
  kYeoJohnson = 6,  // then standardized
  kBoxCox = 7,      // then standardized; positive values only
};

// What a value that is no number, or an infinity, becomes.
enum class Fill : uint8_t {
  kKeep = 0,
  kMean = 1,
  kMedian = 2,
  kMostFrequent = 3,  // the smallest of the most frequent values
  kConstant = 4,
  kMissing = 5,  // infinities only: they are missing values
  kRange = 6,    // infinities only: the extreme values, moved outwards by a factor
};

enum class OutlierRule : uint8_t { kNone = 0, kIqr = 1, kZscore = 2, kPercentile = 3 };
// kKeep only marks rows (Program::mark_outliers).
enum class OutlierAction : uint8_t { kClip = 0, kWinsorize = 1, kMean = 2, kKeep = 3 };

struct Options {
  Normalization normalization = Normalization::kStandard;
  double robust_low = 25, robust_high = 75;  // percentiles
  double range_low = 0, range_high = 1;      // of kMinmax
  uint32_t quantile_count = 1000;            // at most; never more than training values
  bool quantile_normal = false;              // normal instead of uniform output
  Fill missing = Fill::kMean;
  double missing_constant = 0;
  Fill infinite = Fill::kMissing;
  double infinite_constant = 0;  // +infinity becomes this, -infinity its negative
  double infinite_buffer = 1;    // of kRange: the extreme's factor, outwards
  OutlierRule outliers = OutlierRule::kNone;
  OutlierAction outlier_action = OutlierAction::kClip;
  double iqr_multiplier = 1.5;
  double zscore = 3;
  double percentile_low = 1, percentile_high = 99;
  bool clip = false;
  double clip_low = 0, clip_high = 0;
  double offset = 0;   // added after normalization
  double epsilon = 0;  // a column whose scale is not above it counts as constant
  uint32_t sketch_size = 2048;

  Status check() const;
  // Whether fitting needs more of a column than counts, moments and extremes.
  bool needs_order() const;
  bool needs_mode() const {
    return missing == Fill::kMostFrequent || infinite == Fill::kMostFrequent;
  }
};

}  // namespace spinney::prepare
