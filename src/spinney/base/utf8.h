// UTF-8: encoding, checking, and the escapes of JSON strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spinney {

inline constexpr uint32_t kCodePointMax = 0x10ffff;

constexpr bool is_surrogate(uint32_t code) { return code >= 0xd800 && code < 0xe000; }

// Appends a code point. A lone surrogate is encoded like any other, as Python's "surrogatepass"
// does it, so is_utf8() refuses the text then. False, and nothing is appended, beyond
// kCodePointMax.
bool append_utf8(std::string& text, uint32_t code);

// Length of the sequence at p, 1 to 4 of the `left` bytes (at least one), and its code point; 0 if
// it is malformed: cut short, longer than need be, a surrogate or beyond kCodePointMax.
size_t decode_utf8(const char* p, size_t left, uint32_t& code);

// Whether text is UTF-8, lone surrogates not accepted.
bool is_utf8(std::string_view text);

// The code point that an escape of a JSON string stands for. text[at] is what follows the
// backslash; `at` moves behind the escape. Two halves of a pair written as two \u are one code
// point; a half alone stands for itself. Nothing if JSON has no such escape.
std::optional<uint32_t> read_json_escape(std::string_view text, size_t& at);

}  // namespace spinney
