#include "spinney/load/pickle/text.h"

#include <charconv>
#include <cstdint>
#include <cstring>

#include "spinney/base/utf8.h"

namespace spinney::load {
namespace {

// Reads `digits` hexadecimal digits at text[i].
std::optional<uint32_t> hex(std::string_view text, size_t i, size_t digits) {
  if (i > text.size() || text.size() - i < digits) return std::nullopt;
  uint32_t value = 0;
  const char* last = text.data() + i + digits;
  const auto [end, error] = std::from_chars(text.data() + i, last, value, 16);
  if (error != std::errc() || end != last) return std::nullopt;
  return value;
}

char simple_escape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return 0;
  }
}

}  // namespace

std::optional<std::string> unquote(std::string_view line) {
  if (line.size() < 2 || line.front() != line.back() ||
      (line.front() != '\'' && line.front() != '"'))
    return std::nullopt;
  const std::string_view body = line.substr(1, line.size() - 2);
  std::string out;
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      out.push_back(body[i]);
      continue;
    }
    if (++i == body.size()) return std::nullopt;
    if (const char plain = simple_escape(body[i])) {
      out.push_back(plain);
    } else if (body[i] == 'x') {
      const std::optional<uint32_t> value = hex(body, i + 1, 2);
      if (!value) return std::nullopt;
      out.push_back(static_cast<char>(*value));
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<std::string> decode_raw_unicode_escape(std::string_view line) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    const char kind = line[i] == '\\' && i + 1 < line.size() ? line[i + 1] : '\0';
    if (kind != 'u' && kind != 'U') {
      append_utf8(out, static_cast<unsigned char>(line[i]));
      continue;
    }
    const size_t digits = kind == 'u' ? 4 : 8;
    const std::optional<uint32_t> value = hex(line, i + 2, digits);
    if (!value || !append_utf8(out, *value)) return std::nullopt;
    i += 1 + digits;
  }
  return out;
}

std::optional<std::string> encode_latin1(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    uint32_t code;
    const size_t length = decode_utf8(text.data() + i, text.size() - i, code);
    if (length == 0 || code > 0xff) return std::nullopt;
    out.push_back(static_cast<char>(code));
    i += length;
  }
  return out;
}

}  // namespace spinney::load
