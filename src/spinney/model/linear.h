// Linear: scores that are weighted sums of the inputs (scikit-learn's linear models, gblinear).
#pragma once

#include <cmath>
#include <cstdint>

#include "spinney/base/result.h"
#include "spinney/base/shared_array.h"
#include "spinney/model/rows.h"

namespace spinney {

struct Linear {
  // Inputs are rounded to this type first and the sum is kept in it. Libraries leave the order of
  // this sum to a BLAS, so results agree within 4 * eps * sum(|w * x|), not bit for bit, unless
  // skip_missing is set.
  NumberType arithmetic = NumberType::kFloat64;
  uint32_t n_features = 0;
  uint32_t n_outputs = 1;
  SharedArray<double> weights;  // n_outputs rows of n_features
  SharedArray<double> bias;     // n_outputs; added first
  // gblinear: NaN inputs contribute nothing (elsewhere they make NaN), and terms are added to the
  // bias one by one in column order, which is that library's own sum, bit for bit.
  bool skip_missing = false;
  bool absent_is_missing = false;
  // A value equal to this one is missing too, as in ForestSettings.
  double missing_value = std::nan("");
};

Result<Linear> make_linear(Linear parts);

}  // namespace spinney
