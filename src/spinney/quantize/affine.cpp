#include "spinney/quantize/affine.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spinney::quantize {
namespace {

// A quotient that must stay a usable scale: neither zero nor infinite.
float scale_of(float width, double wide_width, float steps) {
  float scale = width / steps;
  if (!std::isfinite(scale)) scale = static_cast<float>(wide_width / static_cast<double>(steps));
  return std::max(scale, std::numeric_limits<float>::denorm_min());
}

}  // namespace

Affine affine_for(float min, float max, CodeRange codes, bool symmetric) {
  Affine affine{1, 0, codes.low, codes.high};
  if (symmetric) {
    const float largest = std::max(std::fabs(min), std::fabs(max));
    affine.zero = codes.low < 0 ? 0 : (codes.high + 1) / 2;
    if (largest > 0)
      affine.scale = scale_of(largest, largest, static_cast<float>(codes.high - affine.zero));
    return affine;
  }
  const float low = std::min(min, 0.0f), high = std::max(max, 0.0f);
  const auto first = static_cast<float>(codes.low), last = static_cast<float>(codes.high);
  if (high > low) {
    const double width = static_cast<double>(high) - static_cast<double>(low);
    affine.scale = scale_of(high - low, width, last - first);
  }
  const float zero = std::nearbyint(first - low / affine.scale);
  affine.zero = static_cast<int32_t>(std::clamp(zero, first, last));
  return affine;
}

}  // namespace spinney::quantize
