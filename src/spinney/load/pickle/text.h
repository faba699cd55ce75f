// Python's text encodings as pickles use them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spinney::load {

// 'it''s repr': the quotes taken off and backslash escapes undone; nullopt if malformed.
std::optional<std::string> unquote(std::string_view line);
// Python's raw-unicode-escape to UTF-8: Latin-1 with backslash-u escapes; nullopt if malformed.
std::optional<std::string> decode_raw_unicode_escape(std::string_view line);
// UTF-8 to Latin-1 bytes; nullopt if a character has none.
std::optional<std::string> encode_latin1(std::string_view text);

}  // namespace spinney::load
