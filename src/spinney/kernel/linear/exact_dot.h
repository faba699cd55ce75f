// Dot products of any finite numbers as if in infinite precision, rounded once, to nearest, ties to
// even. The oracle of the vector kernels, which also call it where their bounds do not decide.
//
// Terms with an infinity or NaN among their factors decide alone: NaN if there is one or if they
// disagree, else that infinity. An exact sum of zero is +0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spinney::kernel {

// The sum of products of doubles, exactly: a long number in fixed point, whose digits of 64 bits
// lie in signed words of 128, so that carries wait until the end.
class ExactSum {
 public:
  // Both finite.
  void add_product(double x, double w);
  // Rounded once to double or float, subnormals and overflow to infinity included. The last call.
  double to_double();
  float to_float();

 private:
  __extension__ using Word = __int128;
  static constexpr int kDigitBits = 64;
  static constexpr int kLowestExponent = -2148;  // the least product is 2^-1074 * 2^-1074
  // Up to 2^2048, 2^62 terms of it, and the end of a product beyond the last.
  static constexpr int kDigits = (2148 + 2048 + 62) / kDigitBits + 3;

  Word carry();
  double rounded(int precision, int least_exponent);

  Word digits_[kDigits] = {};
  int low_ = kDigits;  // digits below are zero
};

double exact_dot(const double* x, const double* w, size_t n);
double exact_dot(const float* x, const double* w, size_t n);
// Rounded to float32 in one step.
float exact_dot_float(const float* x, const double* w, size_t n);

}  // namespace spinney::kernel
