#include "spinney/load/array_values.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "spinney/load/pickle_text.h"

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

size_t item_size_of(std::string_view dtype) {
  if (!dtype.empty() && std::string_view("<>|=").find(dtype[0]) != std::string_view::npos)
    dtype.remove_prefix(1);
  if (dtype == "O") return 8;
  if (dtype == "?") return 1;
  if (dtype.size() < 2) return 0;
  const char kind = dtype[0];
  size_t size = 0;
  for (const char c : dtype.substr(1)) {
    if (c == '[') break;  // datetime64 units
    if (c < '0' || c > '9' || size > (size_t{1} << 40)) return 0;
    size = size * 10 + static_cast<size_t>(c - '0');
  }
  return kind == 'U' ? size * 4 : size;
}

NumberReader::NumberReader(std::string_view dtype) {
  if (dtype.empty()) return;
  swapped_ = dtype[0] == '>';
  const size_t size = item_size_of(dtype);
  if (std::string_view("<>|=").find(dtype[0]) != std::string_view::npos) dtype.remove_prefix(1);
  if (dtype.empty()) return;
  const char kind = dtype[0] == '?' ? 'b' : dtype[0];
  const bool whole =
      (kind == 'i' || kind == 'u') && (size == 1 || size == 2 || size == 4 || size == 8);
  const bool real = kind == 'f' && (size == 2 || size == 4 || size == 8);
  if (!whole && !real && !(kind == 'b' && size == 1)) return;
  kind_ = kind;
  size_ = size;
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
  std::string_view dtype = array.dtype;
  if (dtype.size() < 2) return std::nullopt;
  const bool swapped = dtype[0] == '>';
  const char kind = dtype[1];
  const char* element = array.bytes.data() + index * array.item_size;
  std::string text;
  if (kind == 'S') {
    text.assign(element, array.item_size);
  } else if (kind == 'U') {
    for (size_t i = 0; i + 4 <= array.item_size; i += 4)
      append_utf8(read<uint32_t>(element + i, swapped), text);
  } else {
    return std::nullopt;
  }
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

}  // namespace spinney::load
