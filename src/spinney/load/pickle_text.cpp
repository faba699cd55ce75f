#include "spinney/load/pickle_text.h"

#include <charconv>
#include <cstdint>
#include <cstring>

namespace spinney::load {
namespace {

// Length of the UTF-8 sequence at p (1 to 4) and its code point; 0 if malformed.
size_t decode_one(const unsigned char* p, size_t left, uint32_t& code) {
  static constexpr uint32_t kLowest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (p[0] < 0x80) {
    code = p[0];
    return 1;
  }
  const size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  if (p[0] < 0xc2 || p[0] > 0xf4 || length > left) return 0;
  code = p[0] & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((p[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (p[i] & 0x3fu);
  }
  if (code < kLowest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
  return length;
}

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

bool is_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  size_t left = text.size();
  while (left > 0) {
    uint64_t word;
    if (left >= 8 && (std::memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0)) {
      p += 8;
      left -= 8;
      continue;
    }
    uint32_t code;
    const size_t length = decode_one(p, left, code);
    if (length == 0) return false;
    p += length;
    left -= length;
  }
  return true;
}

void append_utf8(uint32_t c, std::string& out) {
  const auto add = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return add(c);
  if (c < 0x800) {
    add(0xc0 | c >> 6);
    return add(0x80 | (c & 63));
  }
  if (c < 0x10000) {
    add(0xe0 | c >> 12);
  } else {
    add(0xf0 | (c >> 18 & 7));
    add(0x80 | (c >> 12 & 63));
  }
  add(0x80 | (c >> 6 & 63));
  add(0x80 | (c & 63));
}

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
      append_utf8(static_cast<unsigned char>(line[i]), out);
      continue;
    }
    const size_t digits = kind == 'u' ? 4 : 8;
    const std::optional<uint32_t> value = hex(line, i + 2, digits);
    if (!value || *value > 0x10ffff) return std::nullopt;
    append_utf8(*value, out);
    i += 1 + digits;
  }
  return out;
}

std::optional<std::string> encode_latin1(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  for (size_t i = 0; i < text.size();) {
    uint32_t code;
    const size_t length = decode_one(p + i, text.size() - i, code);
    if (length == 0 || code > 0xff) return std::nullopt;
    out.push_back(static_cast<char>(code));
    i += length;
  }
  return out;
}

}  // namespace spinney::load
