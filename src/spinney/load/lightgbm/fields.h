// Lines, "key=value" fields and lists of numbers, as LightGBM's text format spells them. Everything
// is a view into the file's bytes; nothing is allocated because a file declares a size.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/base/result.h"

namespace spinney::load::lightgbm {

// Cuts text into lines ("\n" or "\r\n"), one at a time.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  std::string_view peek() const;
  std::string_view next();

 private:
  std::string_view rest_;
};

// Where a field stands, for error messages: "tree 3" and "left_child".
struct Where {
  std::string part;
  std::string_view field;
};

// Exactly `count` numbers, parted by single or repeated spaces, or an error that names the field.
Status parse_numbers(const Where& where, std::string_view text, size_t count,
                     std::vector<int32_t>& out);
Status parse_numbers(const Where& where, std::string_view text, size_t count,
                     std::vector<uint32_t>& out);
Status parse_numbers(const Where& where, std::string_view text, size_t count,
                     std::vector<double>& out);
// One integer within [low, high].
Result<int64_t> parse_integer(const Where& where, std::string_view text, int64_t low, int64_t high);
std::vector<std::string> split_words(std::string_view text);

// A few characters of text that may be anything, fit for an error message.
std::string quoted(std::string_view text);

}  // namespace spinney::load::lightgbm
