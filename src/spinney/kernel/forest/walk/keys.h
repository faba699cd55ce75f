// Keys: numbers turned into unsigned integers that keep their order, so that the step of a walk is
// one integer comparison and missing values need no test of their own.
//
// key(a) < key(b) exactly where a < b. -0.0 comes just before +0.0; thresholds are chosen so that
// both take the same side. No number has the keys 0 and the largest: they stand for a missing
// value that goes left everywhere or right everywhere.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "spinney/model/forest.h"

namespace spinney::kernel::walk {

template <typename Key>
using Number = std::conditional_t<sizeof(Key) == 4, float, double>;

template <typename Key>
inline constexpr Key kMissingLeft = 0;
template <typename Key>
inline constexpr Key kMissingRight = std::numeric_limits<Key>::max();

// Of negative numbers all bits are inverted, of others only the sign.
template <typename Key>
inline Key key_of(Number<Key> value) {
  constexpr unsigned kSign = sizeof(Key) * 8 - 1;
  const Key bits = std::bit_cast<Key>(value);
  const Key turned = static_cast<Key>(-static_cast<Key>(bits >> kSign)) | (Key{1} << kSign);
  return bits ^ turned;
}

// The largest key that goes left at a numeric split; everything above it goes right. Exact for
// every value of Number<Key>, whether or not that type holds the threshold.
template <typename Key>
inline Key last_left_key(double threshold, Comparison comparison) {
  using Real = Number<Key>;
  const bool less = comparison == Comparison::kLess;
  constexpr Real kBottom = -std::numeric_limits<Real>::infinity();
  // No number goes left; a missing value that goes left everywhere (kMissingLeft) still does.
  if (std::isnan(threshold) || (less && threshold == -std::numeric_limits<double>::infinity()))
    return kMissingLeft<Key>;
  Real last = static_cast<Real>(threshold);
  const auto rounded = static_cast<double>(last);
  if (rounded > threshold || (less && rounded == threshold)) last = std::nextafter(last, kBottom);
  if (last == 0) last = 0;  // -0.0 would leave +0.0 on the other side
  return key_of<Key>(last);
}

}  // namespace spinney::kernel::walk
