#include "server/protocol/numbers.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

namespace spinney::server::protocol {
namespace {

constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number's text, cut in its parts: mantissa * 10^exponent where all digits are in the mantissa.
struct Parts {
  const char* end = nullptr;
  uint64_t mantissa = 0;
  int64_t exponent = 0;
  size_t digits = 0;  // significant ones
  bool negative = false;
  bool is_whole = true;  // neither a point nor an exponent
};

// Eight digits at once: https://lemire.me/blog/2018/10/03/quickly-parsing-eight-digits/
bool eight_digits(const char* at, uint64_t& eight) {
  uint64_t text;
  std::memcpy(&text, at, 8);
  if (((text & 0xf0f0f0f0f0f0f0f0) | (((text + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) >> 4)) !=
      0x3333333333333333)
    return false;
  text -= 0x3030303030303030;
  text = text * 10 + (text >> 8);
  constexpr uint64_t kMask = 0x000000ff000000ff;
  constexpr uint64_t kFirst = 100 + (uint64_t{1000000} << 32);
  constexpr uint64_t kSecond = 1 + (uint64_t{10000} << 32);
  eight = ((text & kMask) * kFirst + ((text >> 16) & kMask) * kSecond) >> 32;
  eight &= 0xffffffff;
  return true;
}

// Digits from `at` on, added to the mantissa; beyond 19 significant ones they are only counted.
const char* read_digits(const char* at, const char* end, Parts& parts) {
  uint64_t eight = 0;
  while (parts.digits < 11 && end - at >= 8 && eight_digits(at, eight)) {
    parts.mantissa = parts.mantissa * 100'000'000 + eight;
    parts.digits += parts.digits || eight ? 8 : 0;  // an upper bound: leading zeros may be among
    at += 8;
  }
  for (; at != end && is_digit(*at); ++at) {
    if (parts.digits < 19) parts.mantissa = parts.mantissa * 10 + static_cast<uint64_t>(*at - '0');
    parts.digits += parts.digits || *at != '0';
  }
  return at;
}

Parts cut(const char* at, const char* end) {
  Parts parts;
  parts.negative = at != end && *at == '-';
  if (parts.negative) ++at;
  if (at == end || !is_digit(*at)) return parts;
  const char* first = at;
  at = read_digits(at, end, parts);
  if (*first == '0' && at - first > 1) return parts;
  if (at != end && *at == '.') {
    parts.is_whole = false;
    const char* point = ++at;
    at = read_digits(at, end, parts);
    if (at == point) return parts;
    parts.exponent = -(at - point);
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    parts.is_whole = false;
    ++at;
    const bool down = at != end && *at == '-';
    if (at != end && (*at == '-' || *at == '+')) ++at;
    if (at == end || !is_digit(*at)) return parts;
    int64_t exponent = 0;
    for (; at != end && is_digit(*at); ++at)
      if (exponent < 100'000) exponent = exponent * 10 + (*at - '0');
    parts.exponent += down ? -exponent : exponent;
  }
  parts.end = at;
  return parts;
}

// Whether the product or quotient of two exact doubles is the number, rounded once (Clinger).
bool is_easy(const Parts& parts) {
  return parts.digits <= 19 && parts.mantissa <= uint64_t{1} << 53 && parts.exponent >= -22 &&
         parts.exponent <= 22;
}

double easy_value(const Parts& parts) {
  auto value = static_cast<double>(parts.mantissa);
  value = parts.exponent < 0 ? value / kPowers[-parts.exponent] : value * kPowers[parts.exponent];
  return parts.negative ? -value : value;
}

// What is hard, by the library.
template <typename Real>
Number read_hard(const char* at, const Parts& parts, Real& value) {
  const auto [behind, error] = std::from_chars(at, parts.end, value);
  if (error == std::errc::result_out_of_range) {
    // Too small to be told from zero is no fault.
    const bool tiny = parts.exponent + static_cast<int64_t>(parts.digits) <= 0;
    value = parts.negative ? Real{-0.0} : Real{0};
    return {parts.end, tiny};
  }
  return {error == std::errc() && behind == parts.end ? parts.end : nullptr};
}

template <typename Integer>
Number read_whole(const char* at, const char* end, Integer& value) {
  const Parts parts = cut(at, end);
  if (!parts.end) return {};
  if (!parts.is_whole) {
    double real = 0;
    if (!is_easy(parts)) return {};
    real = easy_value(parts);
    if (real != std::trunc(real) || std::abs(real) > 0x1p53) return {};
    if (std::is_unsigned_v<Integer> && real < 0) return {parts.end, false};
    value = static_cast<Integer>(real);
    return {parts.end};
  }
  const auto [behind, error] = std::from_chars(at, parts.end, value);
  if (error == std::errc() && behind == parts.end) return {parts.end};
  if (std::is_unsigned_v<Integer> && parts.negative && parts.digits == 0) {  // "-0"
    value = 0;
    return {parts.end};
  }
  return {parts.end, false};
}

template <typename Real>
char* write_real(char* to, Real value, bool literals) noexcept {
  if (std::isfinite(value)) return std::to_chars(to, to + kNumberBytesMax, value).ptr;
  const std::string_view text = !literals           ? "null"
                                : std::isnan(value) ? "NaN"
                                : value > 0         ? "Infinity"
                                                    : "-Infinity";
  return std::copy(text.begin(), text.end(), to);
}

}  // namespace

Number read_number(const char* at, const char* end, double& value) noexcept {
  const Parts parts = cut(at, end);
  if (!parts.end) return {};
  if (is_easy(parts)) {
    value = easy_value(parts);
    return {parts.end};
  }
  return read_hard(at, parts, value);
}

Number read_number(const char* at, const char* end, float& value) noexcept {
  const Parts parts = cut(at, end);
  if (!parts.end) return {};
  if (is_easy(parts)) {
    const double wide = easy_value(parts);
    // Rounding a double that was rounded errs only where that one lies between two floats, and
    // below the normal ones. What is too large is told by the library.
    const bool halfway = (std::bit_cast<uint64_t>(wide) & 0x1fffffff) == 0x10000000;
    const double size = std::abs(wide);
    if (!halfway && (size == 0 || (size >= 0x1p-126 && size < 0x1p127))) {
      value = static_cast<float>(wide);
      return {parts.end};
    }
  }
  return read_hard(at, parts, value);
}

Number read_integer(const char* at, const char* end, int64_t& value) noexcept {
  return read_whole(at, end, value);
}
Number read_integer(const char* at, const char* end, uint64_t& value) noexcept {
  return read_whole(at, end, value);
}

char* write_number(char* to, double value, bool literals) noexcept {
  return write_real(to, value, literals);
}
char* write_number(char* to, float value, bool literals) noexcept {
  return write_real(to, value, literals);
}
char* write_integer(char* to, int64_t value) noexcept {
  return std::to_chars(to, to + kNumberBytesMax, value).ptr;
}

}  // namespace spinney::server::protocol
