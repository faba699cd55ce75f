// Calibrated probabilities, as scikit-learn's CalibratedClassifierCV has them.
#include <algorithm>
#include <cmath>
#include <vector>

#include "spinney/model/pairwise_sum.h"
#include "spinney/plan/node_functions.h"

namespace spinney::plan {
namespace {

// Of the curve's points, the last that is not beyond x, which lies between the first and last.
size_t place_of(const CalibrationCurve& curve, double x) {
  const auto behind = std::upper_bound(curve.x.begin(), curve.x.end(), x);
  return static_cast<size_t>(behind - curve.x.begin()) - 1;
}

// numpy.interp, which scipy's interp1d calls for float64.
double interpolated(const CalibrationCurve& curve, double x) {
  const size_t j = place_of(curve, x);
  if (j + 1 == curve.x.size() || curve.x[j] == x) return curve.y[j];
  const double slope = (curve.y[j + 1] - curve.y[j]) / (curve.x[j + 1] - curve.x[j]);
  return slope * (x - curve.x[j]) + curve.y[j];
}

// scipy's own line, in float32: the point above is the first that is not below x.
double interpolated_float(const CalibrationCurve& curve, float x) {
  const auto found = std::lower_bound(curve.x.begin(), curve.x.end(), static_cast<double>(x));
  const auto at = static_cast<size_t>(found - curve.x.begin());
  const size_t high = std::clamp<size_t>(at, 1, curve.x.size() - 1);
  const auto x0 = static_cast<float>(curve.x[high - 1]), x1 = static_cast<float>(curve.x[high]);
  const auto y0 = static_cast<float>(curve.y[high - 1]), y1 = static_cast<float>(curve.y[high]);
  const float slope = (y1 - y0) / (x1 - x0);
  return static_cast<double>(slope * (x - x0) + y0);
}

double isotonic(const CalibrationCurve& curve, double x) {
  if (std::isnan(x)) return x;
  const bool narrow = curve.arithmetic == NumberType::kFloat32;
  if (narrow) x = static_cast<double>(static_cast<float>(x));
  x = std::clamp(x, curve.x.front(), curve.x.back());
  if (curve.x.size() == 1) return curve.y[0];
  return narrow ? interpolated_float(curve, static_cast<float>(x)) : interpolated(curve, x);
}

double calibrated(const CalibrateNode& node, const CalibrationCurve& curve, double x) {
  if (node.calibration == Calibration::kIsotonic) return isotonic(curve, x);
  const double scaled = curve.a * x;
  return 1.0 / (1.0 + std::exp(scaled + curve.b));  // expit of the opposite
}

void one_vs_rest(const CalibrateNode& node, const Rows& scores, size_t r, double* out) {
  const size_t n = node.n_classes;
  std::fill_n(out, n, 0.0);
  for (size_t c = 0; c < scores.width; ++c)
    out[node.curves[c].place] = calibrated(node, node.curves[c], scores.at(r, c));
  if (n == 2) {
    out[0] = 1.0 - out[1];
    return;
  }
  const double sum = pairwise_sum(out, n);
  for (size_t k = 0; k < n; ++k) out[k] = sum != 0 ? out[k] / sum : 1.0 / static_cast<double>(n);
}

// softmax(a * logits) in the scores' own type; where they are float32, so is a.
template <typename Real>
void by_temperature(const CalibrateNode& node, const Rows& scores, size_t r, double* out) {
  constexpr auto kTiny = static_cast<Real>(1e-12);
  const auto a = static_cast<Real>(node.curves[0].a);
  const bool log = node.calibration == Calibration::kLogTemperature;
  std::vector<Real> logits(node.n_classes);
  const auto score = [&](size_t c) { return static_cast<Real>(scores.at(r, c)); };
  for (size_t k = 0; k < logits.size(); ++k) {
    if (scores.width == 1)
      logits[k] = log ? (k == 0 ? Real{1} - score(0) : score(0)) : (k == 0 ? -score(0) : score(0));
    else
      logits[k] = score(k);
    if (log) logits[k] = std::log(logits[k] + kTiny);
    logits[k] *= a;
  }
  const Real largest = *std::max_element(logits.begin(), logits.end());
  for (Real& x : logits) x = std::exp(x - largest);
  const Real sum = pairwise_sum(logits.data(), logits.size());
  for (size_t k = 0; k < logits.size(); ++k) out[k] = static_cast<double>(logits[k] / sum);
}

}  // namespace

void calibrate(const CalibrateNode& node, const Rows& scores, double* out) {
  const bool together = node.calibration >= Calibration::kTemperature;
  for (size_t r = 0; r < scores.count; ++r, out += node.n_classes) {
    if (!together)
      one_vs_rest(node, scores, r, out);
    else if (scores.type == NumberType::kFloat32 &&
             node.curves[0].arithmetic == NumberType::kFloat32)
      by_temperature<float>(node, scores, r, out);
    else
      by_temperature<double>(node, scores, r, out);
    // What exceeds 1 by no more than rounding.
    for (size_t k = 0; k < node.n_classes; ++k)
      if (out[k] > 1.0 && out[k] <= 1.0 + 1e-5) out[k] = 1.0;
  }
}

}  // namespace spinney::plan
