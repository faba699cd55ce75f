// The normalizations that are no straight line, for one value each, and their inverses.
//
// NaN gives NaN. Computed in double with the same libm on every instruction set.
#pragma once

#include <cstddef>
#include <span>

namespace spinney::prepare {

// Yeo and Johnson (2000), "A new family of power transformations to improve normality or symmetry".
double yeo_johnson(double x, double lambda);
double inverse_yeo_johnson(double y, double lambda);
// Box and Cox (1964). NaN for x <= 0 unless the limit exists (x = 0 with lambda > 0).
double box_cox(double x, double lambda);
double inverse_box_cox(double y, double lambda);
// log(1 + x - shift); a value below the shift counts as the shift.
double log_curve(double x, double shift);
double inverse_log_curve(double y, double shift);

// A value's place among ascending quantiles, from 0 to 1: between two of them by a straight line,
// and for a value that several quantiles share the middle of their places. Values nearer than
// `near` to an end, the lower first, count as it.
double quantile_place(double x, std::span<const double> quantiles, double near = 0);
double inverse_quantile_place(double place, std::span<const double> quantiles, double near = 0);

// What is as near to an end of a distribution counts as its end, as in scikit-learn.
inline constexpr double kNearEnd = 1e-7;
// The standard normal distribution's quantile function and distribution function. Places nearer
// than kNearEnd to 0 and 1 give what that distance gives.
double normal_quantile(double place);
double normal_place(double x);

}  // namespace spinney::prepare
