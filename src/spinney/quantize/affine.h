// Affine codes: a real number x is stored as the integer round(x / scale) + zero, saturated.
//
// Rounding is to nearest, ties to even; the quotient is a true float32 division, since a product
// with the reciprocal puts ties elsewhere. That is ONNX's QuantizeLinear and DequantizeLinear, bit
// for bit, but for NaN, which is stored as `zero` (ONNX leaves it to the implementation).
#pragma once

#include <cstddef>
#include <cstdint>

namespace spinney::quantize {

// What a code is stored in.
enum class Storage : uint8_t { kInt8 = 0, kUint8 = 1, kInt16 = 2, kUint16 = 3 };

inline size_t size_of(Storage storage) {
  return storage == Storage::kInt8 || storage == Storage::kUint8 ? 1 : 2;
}
inline bool is_signed(Storage storage) {
  return storage == Storage::kInt8 || storage == Storage::kInt16;
}

// low <= zero <= high, all within the storage's range; scale is positive and finite.
struct Affine {
  float scale = 1;
  int32_t zero = 0;
  int32_t low = -128, high = 127;
};

// The same for consecutive elements with parameters of their own (channels that lie side by side).
struct AffineEach {
  const float* scales;
  const int32_t* zeros;
  int32_t low, high;
};

// How many values did not fit. Infinities are counted apart, not among those beyond the range.
struct Outside {
  size_t clipped = 0, nans = 0, infinities = 0;

  void add(const Outside& other) {
    clipped += other.clipped;
    nans += other.nans;
    infinities += other.infinities;
  }
};

// The finite values' range; 0 and 0 where there are none.
struct Range {
  float min = 0, max = 0;
  size_t nans = 0, infinities = 0;
};

// The codes of b bits of a storage: [-2^(b-1), 2^(b-1) - 1], or [0, 2^b - 1].
struct CodeRange {
  int32_t low, high;
};
inline CodeRange code_range(Storage storage, int bits) {
  if (is_signed(storage)) return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1};
  return {0, (1 << bits) - 1};
}

// Parameters for values within [min, max]. Zero always has a code of its own.
// Asymmetric: the range, widened to hold zero, over the whole code range, computed in float32 as
// ONNX's DynamicQuantizeLinear does. Symmetric: zero is the middle code, and the larger of |min|
// and |max| the highest.
Affine affine_for(float min, float max, CodeRange codes, bool symmetric);

}  // namespace spinney::quantize
