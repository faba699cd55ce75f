// Reading single numbers out of numpy's raw bytes, whatever their type, byte order and alignment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "spinney/load/record.h"

namespace spinney::load {

// Knows how to read one element of a dtype such as "<f8", ">i4", "|b1".
class NumberReader {
 public:
  explicit NumberReader(std::string_view dtype);
  bool is_number() const { return kind_ != 0; }
  bool is_integer() const { return kind_ == 'i' || kind_ == 'u' || kind_ == 'b'; }
  size_t size() const { return size_; }

  std::optional<double> real(const char* element) const;
  // Whole numbers only: unsigned values beyond int64 and floats give nullopt.
  std::optional<int64_t> whole(const char* element) const;

 private:
  char kind_ = 0;  // 'f', 'i', 'u', 'b', or 0: not a number
  size_t size_ = 0;
  bool swapped_ = false;
};

// Bytes of one element of a plain dtype ("<U5" is 20); 0 if unknown or structured.
size_t item_size_of(std::string_view dtype);

// Byte offset / item_size of element (i, j, ...) in row-major numbering, in an array of any order.
size_t storage_index(const NdArray& array, size_t row_major_index);

// Text of element i of a "<U5" or "|S5" array, in UTF-8, without trailing NULs.
std::optional<std::string> text_at(const NdArray& array, size_t storage_index);

}  // namespace spinney::load
