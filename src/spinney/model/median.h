// The weighted median that AdaBoostRegressor predicts.
#pragma once

#include <span>

namespace spinney {

// The first value, in ascending order, at which the running sum of weights reaches half of their
// total, both summed in that order (numpy's cumsum). Equal values are taken in the order given;
// which of them is taken cannot be told from the result, except that numpy's unstable sort may sum
// their weights in another order, where a sum lies within rounding of one half. NaN sorts last.
double weighted_median(std::span<const double> values, std::span<const double> weights);

}  // namespace spinney
