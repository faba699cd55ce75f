#include "spinney/load/pickle/dtype.h"

#include <charconv>

#include "spinney/base/checked_size.h"

namespace spinney::load {
namespace {

bool is_order(char c) { return c == '<' || c == '>' || c == '|' || c == '='; }

// Whether numpy has a type of that kind and width in bytes.
bool is_width(char kind, size_t width) {
  switch (kind) {
    case 'b':
      return width == 1;
    case 'i':
    case 'u':
      return width == 1 || width == 2 || width == 4 || width == 8;
    case 'f':
      return width == 2 || width == 4 || width == 8 || width == 12 || width == 16;
    case 'c':
      return width == 8 || width == 16 || width == 24 || width == 32;
    case 'M':
    case 'm':
      return width == 8;
    case 'O':
      return width == 4 || width == 8;
    case 'S':
    case 'U':
    case 'V':
      return true;
    default:
      return false;
  }
}

// Decimal digits and nothing else.
std::optional<size_t> parse_width(std::string_view digits) {
  size_t width = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, width);
  if (error != std::errc() || stop != end) return std::nullopt;
  return width;
}

// Types whose items have no order of bytes.
bool has_no_order(const Dtype& dtype) {
  return dtype.item_size == 1 || dtype.kind == 'O' || dtype.kind == 'S' || dtype.kind == 'V';
}

}  // namespace

std::optional<Dtype> parse_dtype(std::string_view code, std::string_view order) {
  if (!code.empty() && is_order(code[0])) {
    if (!order.empty() && order[0] != code[0]) return std::nullopt;
    order = code.substr(0, 1);
    code.remove_prefix(1);
  }
  if (order.size() > 1 || (!order.empty() && !is_order(order[0]))) return std::nullopt;
  if (code == "?") code = "b1";
  if (code == "O") code = "O8";
  if (code.empty()) return std::nullopt;
  const std::optional<size_t> width = parse_width(code.substr(1));
  if (!width || !is_width(code[0], *width)) return std::nullopt;
  Dtype dtype;
  dtype.kind = code[0];
  const std::optional<size_t> size = checked_product(*width, dtype.kind == 'U' ? 4 : 1);
  if (!size || *size > kItemSizeMax) return std::nullopt;
  dtype.item_size = dtype.kind == 'O' ? 8 : *size;
  const bool unordered = has_no_order(dtype);
  if (!unordered && order == "|") return std::nullopt;
  dtype.swapped = !unordered && order == ">";
  dtype.text.push_back(unordered ? '|' : dtype.swapped ? '>' : '<');
  dtype.text.append(dtype.kind == 'O' ? std::string_view("O") : code);
  return dtype;
}

}  // namespace spinney::load
