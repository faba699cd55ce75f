// Linear: scores that are weighted sums of the inputs (scikit-learn's linear models, gblinear).
#pragma once

#include <cmath>
#include <cstdint>

#include "spinney/base/result.h"
#include "spinney/base/shared_array.h"
#include "spinney/model/rows.h"

namespace spinney {

struct Linear {
  // Of dense rows: the exact sum of the products, rounded once to this type; the intercept is added
  // to that. Of sparse rows (Rows::stored): each stored entry's product in turn, every operation
  // rounded to this type, as scipy does. Rows of float64 make float32 arithmetic float64, see
  // promoted() in description.h.
  NumberType arithmetic = NumberType::kFloat64;
  // The intercept of a float32 sum is added in float64, and so is the score.
  bool wide_intercept = false;
  uint32_t n_features = 0;
  uint32_t n_outputs = 1;
  SharedArray<double> weights;  // n_outputs rows of n_features
  SharedArray<double> bias;     // n_outputs: the intercepts
  // gblinear: NaN inputs contribute nothing (elsewhere they make NaN), and terms are added to the
  // bias one by one in column order, those of sparse rows sorted by column, which is that library's
  // own sum, bit for bit.
  bool skip_missing = false;
  // gblinear: the bias alone, where it is known besides the one above, to which the model's base is
  // added: what a sum begins with that is given another base. Artifacts do not keep it.
  SharedArray<double> own_bias;
  bool absent_is_missing = false;
  // A value equal to this one is missing too, as in ForestSettings.
  double missing_value = std::nan("");

  NumberType score_type() const { return wide_intercept ? NumberType::kFloat64 : arithmetic; }
};

Result<Linear> make_linear(Linear parts);
Status check_linear(const Linear& linear);

}  // namespace spinney
