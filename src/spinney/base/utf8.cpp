#include "spinney/base/utf8.h"

#include <charconv>
#include <cstring>

namespace spinney {
namespace {

// The four hexadecimal digits at text[at].
std::optional<uint32_t> hex4(std::string_view text, size_t at) {
  if (at > text.size() || text.size() - at < 4) return std::nullopt;
  uint32_t value = 0;
  const char* first = text.data() + at;
  const auto [end, error] = std::from_chars(first, first + 4, value, 16);
  if (error != std::errc() || end != first + 4) return std::nullopt;
  return value;
}

}  // namespace

bool append_utf8(std::string& text, uint32_t code) {
  const auto add = [&](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code > kCodePointMax) return false;
  if (code < 0x80) {
    add(code);
    return true;
  }
  if (code < 0x800) {
    add(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      add(0xe0 | code >> 12);
    } else {
      add(0xf0 | code >> 18);
      add(0x80 | (code >> 12 & 63));
    }
    add(0x80 | (code >> 6 & 63));
  }
  add(0x80 | (code & 63));
  return true;
}

size_t decode_utf8(const char* p, size_t left, uint32_t& code) {
  static constexpr uint32_t kLowest[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(p[i]); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) {
    code = lead;
    return 1;
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || length > left) return 0;
  code = lead & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  return code < kLowest[length] || code > kCodePointMax || is_surrogate(code) ? 0 : length;
}

bool is_utf8(std::string_view text) {
  const char* p = text.data();
  size_t left = text.size();
  while (left > 0) {
    uint64_t word;
    if (left >= 8 && (std::memcpy(&word, p, 8), (word & 0x8080808080808080U) == 0)) {
      p += 8;
      left -= 8;
      continue;
    }
    uint32_t code;
    const size_t length = decode_utf8(p, left, code);
    if (length == 0) return false;
    p += length;
    left -= length;
  }
  return true;
}

std::optional<uint32_t> read_json_escape(std::string_view text, size_t& at) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  if (at >= text.size()) return std::nullopt;
  const char letter = text[at];
  if (const size_t i = kLetters.find(letter); i != std::string_view::npos) {
    ++at;
    return static_cast<unsigned char>(kMeanings[i]);
  }
  const std::optional<uint32_t> first = letter == 'u' ? hex4(text, at + 1) : std::nullopt;
  if (!first) return std::nullopt;
  at += 5;
  if (*first < 0xd800 || *first >= 0xdc00 || !text.substr(at).starts_with("\\u")) return first;
  const std::optional<uint32_t> second = hex4(text, at + 2);
  if (!second || *second < 0xdc00 || *second >= 0xe000) return first;
  at += 6;
  return 0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00);
}

}  // namespace spinney
