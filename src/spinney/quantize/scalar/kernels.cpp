#include "spinney/quantize/scalar/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "spinney/base/half.h"

namespace spinney::quantize::scalar {
namespace {

template <typename Code>
Code encode(float x, float scale, int32_t zero, const CodeRange& codes, Outside& outside) {
  if (std::isnan(x)) {
    ++outside.nans;
    return static_cast<Code>(zero);
  }
  const auto lowest = static_cast<float>(codes.low - zero);
  const auto highest = static_cast<float>(codes.high - zero);
  const float quotient = x / scale;
  if (std::isinf(x))
    ++outside.infinities;
  else if (quotient < lowest - 0.5f || quotient > highest + 0.5f)
    ++outside.clipped;
  const float within = std::clamp(quotient, lowest, highest);
  return static_cast<Code>(static_cast<int32_t>(std::nearbyint(within)) + zero);
}

template <typename Code>
Outside quantize_as(const float* x, size_t n, const Affine& affine, void* out) {
  Outside outside;
  for (size_t i = 0; i < n; ++i)
    static_cast<Code*>(out)[i] =
        encode<Code>(x[i], affine.scale, affine.zero, {affine.low, affine.high}, outside);
  return outside;
}

template <typename Code>
Outside quantize_each_as(const float* x, size_t n, const AffineEach& affine, void* out) {
  Outside outside;
  for (size_t i = 0; i < n; ++i)
    static_cast<Code*>(out)[i] =
        encode<Code>(x[i], affine.scales[i], affine.zeros[i], {affine.low, affine.high}, outside);
  return outside;
}

template <typename Code>
void dequantize_as(const void* codes, size_t n, const Affine& affine, float* out) {
  for (size_t i = 0; i < n; ++i)
    out[i] = static_cast<float>(static_cast<const Code*>(codes)[i] - affine.zero) * affine.scale;
}

template <typename Code>
void dequantize_each_as(const void* codes, size_t n, const AffineEach& affine, float* out) {
  for (size_t i = 0; i < n; ++i)
    out[i] =
        static_cast<float>(static_cast<const Code*>(codes)[i] - affine.zeros[i]) * affine.scales[i];
}

Range range(const float* x, size_t n) {
  Range found;
  bool any = false;
  for (size_t i = 0; i < n; ++i) {
    if (std::isnan(x[i])) {
      ++found.nans;
    } else if (std::isinf(x[i])) {
      ++found.infinities;
    } else {
      found.min = any ? std::min(found.min, x[i]) : x[i];
      found.max = any ? std::max(found.max, x[i]) : x[i];
      any = true;
    }
  }
  // So that -0 and 0 do not depend on their order.
  found.min += 0.0f;
  found.max += 0.0f;
  return found;
}

Outside to_half(const float* x, size_t n, uint16_t* out) {
  Outside outside;
  for (size_t i = 0; i < n; ++i) {
    out[i] = half_of(x[i]);
    outside.nans += std::isnan(x[i]);
    outside.infinities += std::isinf(x[i]);
  }
  return outside;
}

void from_half(const uint16_t* x, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = half_value(x[i]);
}

#include "spinney/quantize/by_storage.inc"

}  // namespace

const Kernels* kernels() {
  static constexpr Kernels kSet{"scalar",       cpu::Isa::kScalar, &quantize,
                                &quantize_each, &dequantize,       &dequantize_each,
                                &range,         &to_half,          &from_half};
  return &kSet;
}

}  // namespace spinney::quantize::scalar
