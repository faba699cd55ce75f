// UTF-8 and the escapes of JSON strings.
#include "spinney/base/utf8.h"

#include <gtest/gtest.h>

namespace spinney {
namespace {

using namespace std::string_literals;

std::string encoded(uint32_t code) {
  std::string text;
  EXPECT_TRUE(append_utf8(text, code));
  return text;
}

TEST(Utf8, EveryCodePointComesBackAndIsOfTheShortestLength) {
  for (uint32_t code = 0; code <= kCodePointMax; ++code) {
    const std::string text = encoded(code);
    ASSERT_EQ(text.size(), code < 0x80 ? 1U : code < 0x800 ? 2U : code < 0x10000 ? 3U : 4U) << code;
    uint32_t back = 0;
    const size_t length = decode_utf8(text.data(), text.size(), back);
    ASSERT_EQ(length, is_surrogate(code) ? 0 : text.size()) << code;
    ASSERT_EQ(is_utf8(text), !is_surrogate(code));
    if (length > 0) {
      ASSERT_EQ(back, code);
      ASSERT_EQ(decode_utf8(text.data(), text.size() - 1 + (length == 1), back), length == 1);
    }
  }
  std::string text = "kept";
  EXPECT_FALSE(append_utf8(text, 0x110000));
  EXPECT_FALSE(append_utf8(text, UINT32_MAX));
  EXPECT_EQ(text, "kept");
}

TEST(Utf8, KnownBytes) {
  EXPECT_EQ(encoded(0xe9), "\xc3\xa9");
  EXPECT_EQ(encoded(0x20ac), "\xe2\x82\xac");
  EXPECT_EQ(encoded(0x1f332), "\xf0\x9f\x8c\xb2");
  EXPECT_EQ(encoded(0xd800), "\xed\xa0\x80");  // as Python's surrogatepass
}

TEST(Utf8, MalformedBytesAreRefusedWhereverTheyStand) {
  const std::string bad[] = {"\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",
                             "\xc3",         "\xc3(",        "\xe0\x80\x80",     "\xe0\x9f\xbf",
                             "\xe2\x82",     "\xed\xa0\x80", "\xed\xbf\xbf",     "\xf0\x80\x80\x80",
                             "\xf0\x9f\x8c", "\xf5",         "\xf4\x90\x80\x80", "\xff"};
  for (const std::string& bytes : bad)
    for (size_t before = 0; before < 18; ++before) {
      const std::string text = std::string(before, 'a') + bytes;
      EXPECT_FALSE(is_utf8(text)) << before;
      EXPECT_FALSE(is_utf8(text + "12345678"));
    }
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("\0"s));
  EXPECT_TRUE(is_utf8("12345678\xf0\x9f\x8c\xb2"));
}

TEST(JsonEscape, EachStandsForOneCodePoint) {
  const auto read = [](std::string_view text, size_t length) -> std::optional<uint32_t> {
    size_t at = 0;
    const std::optional<uint32_t> code = read_json_escape(text, at);
    EXPECT_EQ(at, length) << text;
    return code;
  };
  EXPECT_EQ(read("n", 1), uint32_t{'\n'});
  EXPECT_EQ(read("\"x", 1), uint32_t{'"'});
  EXPECT_EQ(read("/", 1), uint32_t{'/'});
  EXPECT_EQ(read("u00e9!", 5), 0xe9U);
  EXPECT_EQ(read("u0000", 5), 0U);
  EXPECT_EQ(read("ud83c\\udf32.", 11), 0x1f332U);
  EXPECT_EQ(read("uDBFF\\uDFFF", 11), 0x10ffffU);
  EXPECT_EQ(read("ud83c", 5), 0xd83cU);         // a half alone
  EXPECT_EQ(read("udf32\\ud83c", 5), 0xdf32U);  // in the wrong order
  EXPECT_EQ(read("ud83c\\u0041", 5), 0xd83cU);  // and what follows is no half
  EXPECT_EQ(read("ud83c\\udf3", 5), 0xd83cU);   // nor complete
  for (const char* none : {"", "x", "a", "u", "u12", "u12g4", "u-123", "u 123", "U0041", "'"})
    EXPECT_EQ(read(none, 0), std::nullopt);
}

}  // namespace
}  // namespace spinney
