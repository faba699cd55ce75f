// Reading single numbers out of numpy's raw bytes, whatever their type, byte order and alignment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spinney/load/pickle/record.h"

namespace spinney::load {

// Knows how to read one element of a dtype such as "<f8", ">i4", "|b1"; of others, that it cannot.
class NumberReader {
 public:
  NumberReader() = default;
  explicit NumberReader(const Dtype& dtype);
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

// Byte offset / item_size of element (i, j, ...) in row-major numbering, in an array of any order.
size_t storage_index(const NdArray& array, size_t row_major_index);

// Text of element i of a "<U5" or "|S5" array, in UTF-8, without trailing NULs.
std::optional<std::string> text_at(const NdArray& array, size_t storage_index);

}  // namespace spinney::load
