// The dtypes that a classifier's labels may have: one strict list for every reader, for artifacts
// and for whoever makes arrays of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "spinney/base/result.h"

namespace spinney {

enum class LabelKind : uint8_t { kBool, kInteger, kUnsigned, kFloat, kText, kBytes, kObject };

struct LabelType {
  LabelKind kind = LabelKind::kInteger;
  // Bytes of a number, characters of a text (kText), bytes of one (kBytes); 0 for objects.
  size_t size = 8;
  bool big_endian = false;

  size_t item_bytes() const;  // of one element of an array
};

// "?", "b1", "i1" to "i8", "u1" to "u8", "f2" to "f8", "U<n>" and "S<n>" with n of 1 to
// kLabelTextMax, and "O", each with or without a byte order (one of < > | =). Structures,
// subarrays, dates and everything else are kUnsupported, by name.
inline constexpr size_t kLabelTextMax = 65536;
Result<LabelType> parse_label_type(std::string_view dtype);

}  // namespace spinney
