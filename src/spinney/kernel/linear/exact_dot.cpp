#include "spinney/kernel/linear/exact_dot.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace spinney::kernel {
namespace {

__extension__ using Wide = unsigned __int128;

struct Parts {
  uint64_t mantissa;
  int exponent;  // the value is mantissa * 2^exponent
};

Parts parts_of(double v) {
  const auto bits = std::bit_cast<uint64_t>(v);
  const auto field = static_cast<int>(bits >> 52 & 0x7ff);
  const uint64_t fraction = bits & 0xfffffffffffff;
  if (field == 0) return {fraction, -1074};
  return {fraction | uint64_t{1} << 52, field - 1075};
}

// The infinities and NaN among the terms add up to what they do in any order; a NaN's sign and
// payload, which depend on the order, do not come through.
template <typename Number>
bool special_sum(const Number* x, const double* w, size_t n, double& sum) {
  bool special = false;
  sum = 0;
  for (size_t j = 0; j < n; ++j)
    if (!std::isfinite(x[j]) || !std::isfinite(w[j])) {
      special = true;
      sum += x[j] * w[j];
    }
  if (std::isnan(sum)) sum = std::numeric_limits<double>::quiet_NaN();
  return special;
}

template <typename Number>
ExactSum sum_of(const Number* x, const double* w, size_t n) {
  ExactSum sum;
  for (size_t j = 0; j < n; ++j)
    if (x[j] != 0 && w[j] != 0) sum.add_product(x[j], w[j]);
  return sum;
}

template <typename Number>
double dot(const Number* x, const double* w, size_t n) {
  double special;
  if (special_sum(x, w, n, special)) return special;
  return sum_of(x, w, n).to_double();
}

}  // namespace

void ExactSum::add_product(double x, double w) {
  const Parts a = parts_of(x), b = parts_of(w);
  const Wide product = static_cast<Wide>(a.mantissa) * b.mantissa;
  const int position = a.exponent + b.exponent - kLowestExponent;
  const int first = position / kDigitBits, shift = position % kDigitBits;
  const Wide low = static_cast<Wide>(static_cast<uint64_t>(product)) << shift;
  const Wide high = ((product >> 64) << shift) + (low >> 64);
  const auto sign = -static_cast<Word>(std::signbit(x) != std::signbit(w));  // 0 or -1: all bits
  const auto add = [&](Word& digit, uint64_t piece) {
    digit += (static_cast<Word>(piece) ^ sign) - sign;
  };
  add(digits_[first], static_cast<uint64_t>(low));
  add(digits_[first + 1], static_cast<uint64_t>(high));
  add(digits_[first + 2], static_cast<uint64_t>(high >> 64));
  low_ = std::min(low_, first);
}

// Leaves each digit within 64 bits but the last, whose sign is the number's: a negative number is
// then in two's complement.
ExactSum::Word ExactSum::carry() {
  Word carried = 0;
  for (int i = low_; i < kDigits - 1; ++i) {
    carried += digits_[i];
    digits_[i] = static_cast<Word>(static_cast<uint64_t>(carried));
    carried >>= kDigitBits;
  }
  return digits_[kDigits - 1] += carried;
}

double ExactSum::rounded(int precision, int least_exponent) {
  const bool negative = carry() < 0;
  if (negative) {
    for (int i = low_; i < kDigits; ++i) digits_[i] = -digits_[i];
    carry();
  }
  int top = kDigits - 1;
  while (top >= low_ && digits_[top] == 0) --top;
  if (top < low_) return 0;
  const auto digit = [&](int i) { return i < 0 ? 0 : static_cast<uint64_t>(digits_[i]); };
  const int unused = std::countl_zero(digit(top));
  const Wide leading = (static_cast<Wide>(digit(top)) << 64 | digit(top - 1)) << unused;
  const auto mantissa = static_cast<uint64_t>(leading >> 64);  // its first bit is set
  bool more = static_cast<uint64_t>(leading) != 0;
  for (int i = low_; i < top - 1 && !more; ++i) more = digits_[i] != 0;
  const int exponent = kLowestExponent + kDigitBits * top + 63 - unused;  // of the first bit
  const int kept_bits = precision - std::max(0, least_exponent - exponent);
  double size = 0;
  if (kept_bits >= 0) {
    const Wide cut = (static_cast<Wide>(mantissa) << 64) >> (64 - kept_bits);
    auto kept = static_cast<uint64_t>(cut >> 64);
    const auto rest = static_cast<uint64_t>(cut);
    constexpr uint64_t kHalf = uint64_t{1} << 63;
    if (rest > kHalf || (rest == kHalf && (more || (kept & 1)))) ++kept;
    size = std::ldexp(static_cast<double>(kept), exponent - kept_bits + 1);
  }
  return negative ? -size : size;
}

double ExactSum::to_double() { return rounded(53, -1022); }
// A sum rounded to a float's precision is also a double, or 2^128, which becomes infinity.
float ExactSum::to_float() { return static_cast<float>(rounded(24, -126)); }

double exact_dot(const double* x, const double* w, size_t n) { return dot(x, w, n); }
double exact_dot(const float* x, const double* w, size_t n) { return dot(x, w, n); }

float exact_dot_float(const float* x, const double* w, size_t n) {
  double special;
  if (special_sum(x, w, n, special)) return static_cast<float>(special);
  return sum_of(x, w, n).to_float();
}

}  // namespace spinney::kernel
