// numpy's dtypes as pickles spell them: the one place where such a text is taken apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spinney::load {

// More bytes than this are no item: numpy 1 keeps the number in an int.
inline constexpr size_t kItemSizeMax = INT32_MAX;

// A dtype without fields. Whoever reads elements goes by these, never by the text again.
struct Dtype {
  // 'b' bool, 'i' 'u' 'f' 'c' numbers, 'S' 'U' text, 'O' objects, 'V' raw bytes or records,
  // 'M' 'm' times; 0: none, or one of another package.
  char kind = 0;
  bool swapped = false;  // big-endian
  size_t item_size = 0;
  std::string text;  // "<f8", "|b1", "|O", "<U5": as numpy's dtype.str

  bool is_object() const { return kind == 'O'; }
  bool is_text() const { return kind == 'U' || kind == 'S'; }
};

// "f8" with the byte order "<", or "<f8" with none. Only what numpy itself writes is one: a kind, a
// width that the kind has, nothing behind it, and no more bytes an item than numpy allows.
std::optional<Dtype> parse_dtype(std::string_view code, std::string_view order);

}  // namespace spinney::load
