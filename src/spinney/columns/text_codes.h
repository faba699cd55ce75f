// TextCodes: the place of a text among the values of a column.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spinney::columns {

// A hash table of open addressing, of which at most half is used. Texts come from callers and
// files, so that the hash has a seed of this process's own; texts are compared whole.
class TextCodes {
 public:
  // Keeps views of values, which must outlive it.
  explicit TextCodes(const std::vector<std::string>& values);

  // The text's place, or values.size().
  uint32_t operator[](std::string_view text) const noexcept;

 private:
  struct Slot {
    uint32_t tag = 0;    // the hash's upper half
    uint32_t place = 0;  // 1 and up; 0: nothing is here
  };
  const std::vector<std::string>* values_;
  std::vector<Slot> slots_;
};

}  // namespace spinney::columns
