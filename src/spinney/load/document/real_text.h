// Numbers written in decimals that are beyond every double: zeros and infinities, whatever the
// locale calls a decimal point.
#pragma once

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

namespace spinney::load {

// Whether the first digit that counts stands left of the point, exponent included.
inline bool is_above_one(std::string_view text) {
  const size_t mark = text.find_first_of("eE");
  const std::string_view digits = text.substr(0, mark);
  const size_t first = digits.find_first_of("123456789");
  if (first == std::string_view::npos) return false;
  const size_t point = std::min(digits.find('.'), digits.size());
  const double place = static_cast<double>(point) - static_cast<double>(first);
  double exponent = 0;
  if (mark != std::string_view::npos) {
    const bool negative = text.substr(mark + 1, 1) == "-";
    for (const char c : text.substr(mark + 1))
      if (c >= '0' && c <= '9') exponent = exponent * 10 + (c - '0');
    if (negative) exponent = -exponent;
  }
  return place + exponent > 0;
}

// The value of `text`, all of which is a number that from_chars<Real> finds out of range: as strtod
// has it, 0 or infinity with the number's sign, or what rounding the double gives.
template <typename Real>
Real out_of_range(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc()) return static_cast<Real>(value);
  const Real size = is_above_one(text) ? std::numeric_limits<Real>::infinity() : Real{0};
  return text.starts_with('-') ? -size : size;
}

}  // namespace spinney::load
