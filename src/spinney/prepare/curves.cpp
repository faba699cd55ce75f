#include "spinney/prepare/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spinney::prepare {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// ((1 + t)^power - 1) / power for t >= 0, by way of logarithms so that nothing cancels.
double grown(double t, double power) {
  const double log = std::log1p(t);
  return std::abs(power) < kEpsilon ? log : std::expm1(power * log) / power;
}

double shrunk(double y, double power) {
  if (std::abs(power) < kEpsilon) return std::expm1(y);
  return std::expm1(std::log1p(power * y) / power);
}

// What a line that rises so much over a width has risen at a distance. Slopes between denormals
// are infinite; then the share comes first.
double along(double rise, double distance, double width) {
  const double slope = rise / width;
  return std::isinf(slope) ? rise * (distance / width) : slope * distance;
}

// A polynomial with n coefficients, the highest power's first.
template <size_t n>
double polynomial(const double (&coefficients)[n], double x) {
  double sum = coefficients[0];
  for (size_t i = 1; i < n; ++i) sum = sum * x + coefficients[i];
  return sum;
}

// Wichura (1988), algorithm AS 241, PPND16: relative error about 1e-16.
double normal_quantile_of(double p) {
  static constexpr double kA[] = {
      2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
      13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608};
  static constexpr double kB[] = {
      5226.495278852854561,  28729.085735721942674, 39307.89580009271061,  21213.794301586595867,
      5394.1960214247511077, 687.1870074920579083,  42.313330701600911252, 1.0};
  static constexpr double kC[] = {7.7454501427834140764e-4, .0227238449892691845833,
                                  .24178072517745061177,    1.27045825245236838258,
                                  3.64784832476320460504,   5.7694972214606914055,
                                  4.6303378461565452959,    1.42343711074968357734};
  static constexpr double kD[] = {1.05075007164441684324e-9, 5.475938084995344946e-4,
                                  .0151986665636164571966,   .14810397642748007459,
                                  .68976733498510000455,     1.6763848301838038494,
                                  2.05319162663775882187,    1.0};
  static constexpr double kE[] = {2.01033439929228813265e-7, 2.71155556874348757815e-5,
                                  .0012426609473880784386,   .026532189526576123093,
                                  .29656057182850489123,     1.7848265399172913358,
                                  5.4637849111641143699,     6.6579046435011037772};
  static constexpr double kF[] = {2.04426310338993978564e-15, 1.4215117583164458887e-7,
                                  1.8463183175100546818e-5,   7.868691311456132591e-4,
                                  .0148753612908506148525,    .13692988092273580531,
                                  .59983220655588793769,      1.0};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(kA, r) / polynomial(kB, r);
  }
  const double tail = std::sqrt(-std::log(q < 0 ? p : 1 - p));
  const double r = tail <= 5 ? tail - 1.6 : tail - 5;
  const double x =
      tail <= 5 ? polynomial(kC, r) / polynomial(kD, r) : polynomial(kE, r) / polynomial(kF, r);
  return q < 0 ? -x : x;
}

}  // namespace

double yeo_johnson(double x, double lambda) {
  return x >= 0 ? grown(x, lambda) : -grown(-x, 2 - lambda);
}

double inverse_yeo_johnson(double y, double lambda) {
  return y >= 0 ? shrunk(y, lambda) : -shrunk(-y, 2 - lambda);
}

double box_cox(double x, double lambda) {
  const double log = std::log(x);
  return std::abs(lambda) < kEpsilon ? log : std::expm1(lambda * log) / lambda;
}

double inverse_box_cox(double y, double lambda) {
  if (std::abs(lambda) < kEpsilon) return std::exp(y);
  return std::exp(std::log1p(lambda * y) / lambda);
}

double log_curve(double x, double shift) {
  const double above = x - shift;
  return std::log1p(above < 0 ? 0 : above);
}

double inverse_log_curve(double y, double shift) { return std::expm1(y) + shift; }

double quantile_place(double x, std::span<const double> quantiles, double near) {
  const size_t n = quantiles.size();
  if (std::isnan(x)) return x;
  if (x <= quantiles[0] || x - near < quantiles[0]) return 0;
  if (x >= quantiles[n - 1] || x + near > quantiles[n - 1]) return 1;
  const double step = 1.0 / static_cast<double>(n - 1);
  const auto reference = [&](size_t i) { return static_cast<double>(i) * step; };
  const auto last = static_cast<size_t>(std::upper_bound(quantiles.begin(), quantiles.end(), x) -
                                        quantiles.begin() - 1);
  const auto first = static_cast<size_t>(std::lower_bound(quantiles.begin(), quantiles.end(), x) -
                                         quantiles.begin());
  const double from_left =
      reference(last) + along(reference(last + 1) - reference(last), x - quantiles[last],
                              quantiles[last + 1] - quantiles[last]);
  const double from_right =
      reference(first) - along(reference(first) - reference(first - 1), quantiles[first] - x,
                               quantiles[first] - quantiles[first - 1]);
  return 0.5 * (from_left + from_right);
}

double inverse_quantile_place(double place, std::span<const double> quantiles, double near) {
  const size_t n = quantiles.size();
  if (std::isnan(place)) return place;
  if (n == 1 || place <= 0 || place - near < 0) return quantiles[0];
  if (place >= 1 || place + near > 1) return quantiles[n - 1];
  const double at = place * static_cast<double>(n - 1);
  const size_t i = std::min(static_cast<size_t>(at), n - 2);
  return quantiles[i] + (quantiles[i + 1] - quantiles[i]) * (at - static_cast<double>(i));
}

double normal_quantile(double place) {
  constexpr double kNearest = kNearEnd - kEpsilon;
  if (std::isnan(place)) return place;
  return normal_quantile_of(std::clamp(place, kNearest, 1 - kNearest));
}

double normal_place(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752440); }

}  // namespace spinney::prepare
