// Recipe: fitted numbers of every column, independent of any CPU: what is written to a file and
// what a Program is compiled from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/prepare/options.h"

namespace spinney::prepare {

// When values are moved into the clip bounds. kFirst is read from files of earlier versions, whose
// scales were fitted on clipped values; nothing is fitted that way any more.
enum class Clip : uint8_t { kNone = 0, kFirst = 1, kLast = 2 };

struct Recipe {
  Normalization normalization = Normalization::kNone;
  bool fills_missing = false;
  bool fills_infinite = false;
  bool has_outliers = false;
  bool marks_only = false;  // outliers are left as they are
  Clip clip = Clip::kNone;
  bool quantile_normal = false;
  double clip_low = 0, clip_high = 0;
  double offset = 0;
  uint32_t quantile_count = 0;  // a column

  // One entry a column, or none where the step is absent.
  std::vector<double> missing_fill;
  std::vector<double> positive_fill, negative_fill;  // of infinities
  std::vector<double> low, high;                     // values beyond are outliers ...
  std::vector<double> below, above;                  // ... and become these
  std::vector<double> center, scale;                 // always there
  std::vector<double> lambda;                        // power transforms
  std::vector<double> quantiles;                     // quantile_count a column, ascending

  size_t width() const { return center.size(); }
  // Columns for which only a centre and a scale are applied.
  bool is_affine() const {
    return normalization == Normalization::kNone || normalization == Normalization::kStandard ||
           normalization == Normalization::kMinmax || normalization == Normalization::kRobust;
  }
  // A recipe that came from a file is checked before anything is compiled from it.
  Status check() const;
};

// Columns that a recipe or a statistic may have.
inline constexpr size_t kWidthMax = size_t{1} << 20;

}  // namespace spinney::prepare
