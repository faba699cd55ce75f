#include "spinney/load/lightgbm/fields.h"

#include <charconv>

#include "spinney/load/document/real_text.h"

namespace spinney::load::lightgbm {
namespace {

// A number that from_chars finds out of range is an infinity or a zero, as strtod has it.
bool parse_one(std::string_view word, double& value) {
  if (!word.empty() && word.front() == '+') word.remove_prefix(1);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (end != word.data() + word.size()) return false;
  if (error == std::errc::result_out_of_range) {
    value = out_of_range<double>(word);
    return true;
  }
  return error == std::errc();
}

template <typename Integer>
bool parse_one(std::string_view word, Integer& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size();
}

std::string named(const Where& where) { return where.part + ": " + std::string(where.field); }

template <typename Number>
Status parse_all(const Where& where, std::string_view text, size_t count,
                 std::vector<Number>& out) {
  out.clear();
  size_t at = 0;
  while (true) {
    while (at < text.size() && text[at] == ' ') ++at;
    if (at == text.size()) break;
    size_t end = at;
    while (end < text.size() && text[end] != ' ') ++end;
    const std::string_view word = text.substr(at, end - at);
    at = end;
    if (out.size() == count)
      return corrupt(named(where) + " holds more than the " + std::to_string(count) +
                     " values declared");
    Number value{};
    if (!parse_one(word, value))
      return corrupt(named(where) + ", value " + std::to_string(out.size()) + ": " + quoted(word) +
                     " is not a number that fits");
    out.push_back(value);
  }
  if (out.size() != count)
    return corrupt(named(where) + " holds " + std::to_string(out.size()) + " values, " +
                   std::to_string(count) + " expected");
  return {};
}

}  // namespace

std::string_view Lines::peek() const {
  std::string_view line = rest_.substr(0, rest_.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view Lines::next() {
  const std::string_view line = peek();
  const size_t end = rest_.find('\n', line.size());
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  return line;
}

Status parse_numbers(const Where& where, std::string_view text, size_t count,
                     std::vector<int32_t>& out) {
  return parse_all(where, text, count, out);
}

Status parse_numbers(const Where& where, std::string_view text, size_t count,
                     std::vector<uint32_t>& out) {
  return parse_all(where, text, count, out);
}

Status parse_numbers(const Where& where, std::string_view text, size_t count,
                     std::vector<double>& out) {
  return parse_all(where, text, count, out);
}

Result<int64_t> parse_integer(const Where& where, std::string_view text, int64_t low,
                              int64_t high) {
  int64_t value = 0;
  if (!parse_one(text, value) || value < low || value > high)
    return corrupt(named(where) + "=" + quoted(text) + " is not an integer from " +
                   std::to_string(low) + " to " + std::to_string(high));
  return value;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 40;
  std::string shown = "\"";
  for (const char c : text.substr(0, kShown)) shown += (c < 32 || c > 126) ? '?' : c;
  return shown + (text.size() > kShown ? "…\"" : "\"");
}

}  // namespace spinney::load::lightgbm
