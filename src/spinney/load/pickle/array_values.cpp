#include "spinney/load/pickle/array_values.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "spinney/base/utf8.h"
#include "spinney/load/pickle/text.h"

namespace spinney::load {
namespace {

static_assert(std::endian::native == std::endian::little, "a little-endian target is assumed");

template <typename T>
T read(const char* element, bool swapped) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, element, sizeof(T));
  if (swapped) std::reverse(bytes, bytes + sizeof(T));
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

double half_to_double(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  double value;
  if (exponent == 31)
    value = fraction == 0 ? HUGE_VAL : std::nan("");
  else if (exponent == 0)
    value = std::ldexp(fraction, -24);
  else
    value = std::ldexp(1024 + fraction, exponent - 25);
  return bits >> 15 ? -value : value;
}

}  // namespace

NumberReader::NumberReader(const Dtype& dtype) {
  const size_t size = dtype.item_size;
  const bool whole = dtype.kind == 'i' || dtype.kind == 'u' || dtype.kind == 'b';
  const bool real = dtype.kind == 'f' && size <= 8;  // not long double
  if (!whole && !real) return;
  kind_ = dtype.kind;
  size_ = size;
  swapped_ = dtype.swapped;
}

std::optional<double> NumberReader::real(const char* p) const {
  if (kind_ == 'f') {
    if (size_ == 8) return read<double>(p, swapped_);
    if (size_ == 4) return static_cast<double>(read<float>(p, swapped_));
    return half_to_double(read<uint16_t>(p, swapped_));
  }
  if (kind_ == 'u' && size_ == 8) return static_cast<double>(read<uint64_t>(p, swapped_));
  const std::optional<int64_t> value = whole(p);
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

std::optional<int64_t> NumberReader::whole(const char* p) const {
  if (kind_ == 'b') return read<uint8_t>(p, false) != 0;
  if (kind_ == 'i') {
    if (size_ == 1) return read<int8_t>(p, false);
    if (size_ == 2) return read<int16_t>(p, swapped_);
    if (size_ == 4) return read<int32_t>(p, swapped_);
    return read<int64_t>(p, swapped_);
  }
  if (kind_ == 'u') {
    if (size_ == 1) return read<uint8_t>(p, false);
    if (size_ == 2) return read<uint16_t>(p, swapped_);
    if (size_ == 4) return read<uint32_t>(p, swapped_);
    const auto value = read<uint64_t>(p, swapped_);
    if (value <= static_cast<uint64_t>(INT64_MAX)) return static_cast<int64_t>(value);
  }
  return std::nullopt;
}

size_t storage_index(const NdArray& array, size_t index) {
  if (!array.fortran_order || array.shape.size() < 2) return index;
  size_t stored = 0;
  size_t stride = array.size();
  for (size_t axis = array.shape.size(); axis-- > 0;) {
    const auto extent = static_cast<size_t>(array.shape[axis]);
    stride /= extent;
    stored += index % extent * stride;
    index /= extent;
  }
  return stored;
}

std::optional<std::string> text_at(const NdArray& array, size_t index) {
  const Dtype& dtype = array.dtype;
  if (!dtype.is_text()) return std::nullopt;
  const char* element = array.bytes.data() + index * dtype.item_size;
  std::string text;
  if (dtype.kind == 'S') {
    text.assign(element, dtype.item_size);
  } else {
    for (size_t i = 0; i + 4 <= dtype.item_size; i += 4)
      if (!append_utf8(text, read<uint32_t>(element + i, dtype.swapped))) return std::nullopt;
  }
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

}  // namespace spinney::load
