// Products and sums of sizes that a file or a caller declared, or nothing where one is negative or
// the result is beyond what memory can hold. Every such size is computed here: one that wraps
// around passes a check it should have failed, and is then read or written behind.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "spinney/base/result.h"

namespace spinney {

// No object is larger, and differences of pointers into one fit.
inline constexpr size_t kSizeMax = PTRDIFF_MAX;

// A number of any integer type as a size.
template <std::integral Integer>
constexpr std::optional<size_t> as_size(Integer n) {
  if (n < 0 || static_cast<uintmax_t>(n) > kSizeMax) return std::nullopt;
  return static_cast<size_t>(n);
}

namespace detail {

// A product that is zero only by a factor of zero, whatever the others are.
struct CheckedProduct {
  size_t nonzero = 1;
  bool is_zero = false, fits = true;

  constexpr void multiply(std::integral auto factor) {
    is_zero = is_zero || factor == 0;
    fits = fits && factor >= 0;
    if (fits && factor > 0)
      fits = !__builtin_mul_overflow(nonzero, static_cast<uintmax_t>(factor), &nonzero) &&
             nonzero <= kSizeMax;
  }
  constexpr std::optional<size_t> value() const {
    if (!fits) return std::nullopt;
    return is_zero ? 0 : nonzero;
  }
};

}  // namespace detail

// Zero among factors that are too large without it is refused too: shapes such as (0, 2^62, 2^62)
// are nobody's.
template <std::integral... Integers>
constexpr std::optional<size_t> checked_product(Integers... factors) {
  detail::CheckedProduct product;
  (product.multiply(factors), ...);
  return product.value();
}

template <std::integral Integer>
constexpr std::optional<size_t> checked_product(std::span<const Integer> factors) {
  detail::CheckedProduct product;
  for (const Integer factor : factors) product.multiply(factor);
  return product.value();
}

template <std::integral... Integers>
constexpr std::optional<size_t> checked_sum(Integers... terms) {
  size_t sum = 0;
  bool fits = true;
  const auto add = [&](auto term) {
    fits = fits && term >= 0 && !__builtin_add_overflow(sum, static_cast<uintmax_t>(term), &sum) &&
           sum <= kSizeMax;
  };
  (add(terms), ...);
  if (!fits) return std::nullopt;
  return sum;
}

// The same, saying of what there would be too much: "predictions: 72057594037927936 × 256 × 8 bytes
// are more than memory can hold".
template <std::integral... Integers>
Result<size_t> checked_bytes(std::string_view what, Integers... factors) {
  if (const std::optional<size_t> product = checked_product(factors...)) return *product;
  std::string said;
  const auto say = [&](auto factor) {
    said += (said.empty() ? "" : " × ") + std::to_string(factor);
  };
  (say(factors), ...);
  return too_large(std::string(what) + ": " + said + " bytes are more than memory can hold");
}

}  // namespace spinney
