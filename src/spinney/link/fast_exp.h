// exp(x) as CatBoost computes it where it has many of them: 2^(i/2048) out of a table and a cubic
// for what is left, which is up to 2 ulp off the C library's and the same on every CPU.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace spinney::link {

inline constexpr unsigned kFastExpBits = 11;
// The fractions of 2^(i / 2048).
extern const std::array<uint64_t, (1u << kFastExpBits)> kFastExpTable;

inline double fast_exp(double x) {
  constexpr double kLeast = -708.39641853226408, kMost = 709.78271289338397;
  constexpr uint64_t kSteps = uint64_t{1} << kFastExpBits;
  constexpr double kLogOfTwo = 0.69314718055994530942;
  constexpr double kStepsOverLog = static_cast<double>(kSteps) / kLogOfTwo;
  constexpr double kLogOverSteps = kLogOfTwo / static_cast<double>(kSteps);
  constexpr double kRounds = static_cast<double>(uint64_t{3} << 51);  // adding it rounds to whole
  constexpr uint64_t kBias = (uint64_t{1} << (kFastExpBits + 10)) - kSteps;
  if (x <= kLeast) return 0;
  if (x >= kMost) return std::numeric_limits<double>::infinity();
  const double rounded = x * kStepsOverLog + kRounds;
  const auto steps = std::bit_cast<uint64_t>(rounded);
  const double rest = (rounded - kRounds) * kLogOverSteps - x;
  const uint64_t power = ((steps + kBias) >> kFastExpBits) << 52;
  const double cubic =
      (3.0000000027955394 - rest) * (rest * rest) * 0.16666666685227835064 - rest + 1.0;
  return cubic * std::bit_cast<double>(power | kFastExpTable[steps & (kSteps - 1)]);
}

}  // namespace spinney::link
