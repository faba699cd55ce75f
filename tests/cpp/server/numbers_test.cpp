// Numbers are read as the C library reads them, whatever way they take; JSON is what RFC 8259 says.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "server/protocol/json_reader.h"
#include "server/protocol/numbers.h"

namespace spinney::server::protocol {
namespace {

template <typename Real>
bool same(Real a, Real b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

void expect_read(const std::string& text) {
  double wide = 0;
  const Number read = read_number(text.data(), text.data() + text.size(), wide);
  ASSERT_EQ(read.end, text.data() + text.size()) << text;
  const double expected = std::strtod(text.c_str(), nullptr);
  ASSERT_EQ(read.fits, std::isfinite(expected)) << text;
  ASSERT_TRUE(!read.fits || same(wide, expected)) << text << " " << wide;
  float narrow = 0;
  const Number again = read_number(text.data(), text.data() + text.size(), narrow);
  const float expected_narrow = std::strtof(text.c_str(), nullptr);
  ASSERT_EQ(again.fits, std::isfinite(expected_narrow)) << text;
  ASSERT_TRUE(!again.fits || same(narrow, expected_narrow)) << text << " " << narrow;
}

TEST(Numbers, OfAnyFormAreTheNearest) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    std::string text = random() % 2 ? "-" : "";
    const size_t digits = 1 + random() % (random() % 4 ? 18 : 40);
    text += static_cast<char>('0' + random() % 10);
    if (text.back() != '0')
      for (size_t d = 1; d < digits; ++d) text += static_cast<char>('0' + random() % 10);
    if (random() % 2) {
      text += '.';
      const size_t zeros = random() % 3 ? 0 : random() % 30;
      text.append(zeros, '0');
      for (size_t d = 0; d < 1 + random() % 20; ++d) text += static_cast<char>('0' + random() % 10);
    }
    if (random() % 3 == 0) {
      text += random() % 2 ? 'e' : 'E';
      if (random() % 2) text += random() % 2 ? '-' : '+';
      text += std::to_string(random() % (random() % 4 ? 30 : 400));
    }
    expect_read(text);
  }
}

TEST(Numbers, ThatWereWrittenComeBack) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t bits = random();
    double wide;
    std::memcpy(&wide, &bits, sizeof wide);
    float narrow;
    std::memcpy(&narrow, &bits, sizeof narrow);
    char text[kNumberBytesMax + 1] = {};
    if (std::isfinite(wide)) {
      *write_number(text, wide, false) = 0;
      expect_read(text);
      ASSERT_TRUE(same(std::strtod(text, nullptr), wide));
    }
    if (std::isfinite(narrow)) {
      *write_number(text, narrow, false) = 0;
      float back = 0;
      ASSERT_TRUE(read_number(text, text + std::strlen(text), back).fits);
      ASSERT_TRUE(same(back, narrow)) << text;
    }
  }
}

TEST(Numbers, BetweenTwoFloatsAreRoundedOnce) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 100'000; ++i) {
    // Exactly between two floats, or a little beside.
    const float low = std::ldexp(1 + static_cast<float>(random() % (1 << 23)) / (1 << 23),
                                 static_cast<int>(random() % 40) - 20);
    const double middle =
        (static_cast<double>(low) + static_cast<double>(std::nextafter(low, INFINITY))) / 2;
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", 45, middle);
    std::string exact = text;
    expect_read(exact);
    if (const int pushed = static_cast<int>(random() % 3)) exact += pushed == 1 ? "1" : "0";
    expect_read(exact);
    std::snprintf(text, sizeof text, "%.17g", middle);
    expect_read(text);
  }
}

TEST(Numbers, WholeOnesKeepAllTheirDigits) {
  const auto read = [](const std::string& text, int64_t& value) {
    const Number number = read_integer(text.data(), text.data() + text.size(), value);
    return number.end && number.fits;
  };
  int64_t value = 0;
  EXPECT_TRUE(read("9007199254740993", value) && value == 9007199254740993);
  EXPECT_TRUE(read("-9223372036854775808", value) && value == INT64_MIN);
  EXPECT_TRUE(read("3.0", value) && value == 3);
  EXPECT_TRUE(read("1e3", value) && value == 1000);
  EXPECT_FALSE(read("9223372036854775808", value));
  EXPECT_FALSE(read("0.5", value));
  EXPECT_FALSE(read("1e300", value));
  uint64_t large = 1;
  const std::string text = "18446744073709551615";
  EXPECT_TRUE(read_integer(text.data(), text.data() + text.size(), large).fits);
  EXPECT_EQ(large, UINT64_MAX);
}

bool is_json(std::string_view text) {
  JsonReader json(text);
  return json.skip() && json.at_end();
}

TEST(Json, IsWhatTheRfcSays) {
  for (const char* text :
       {"0", "-0.5e+3", "\"\"", "\"a\\u0041\\n\"", R"("\"\\\/\b\f\n\r\t\uFfA0")", "true", "null",
        "[]", "{}", " [ 1 , 2 ] ", R"({"a":[{},[[]],"x"],"b":{"c":null}})", "NaN", "-Infinity",
        "[[[[[[[[1]]]]]]]]"})
    EXPECT_TRUE(is_json(text)) << text;
  for (const char* text : {"",
                           " ",
                           "01",
                           "1.",
                           ".1",
                           "+1",
                           "1e",
                           "--1",
                           "-",
                           "\"",
                           "\"\\",
                           "\"\n\"",
                           "tru",
                           "nulll",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "[",
                           "]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{\"a\":1,}",
                           "{,}",
                           "[1]]",
                           "1 2",
                           "\xef\xbb\xbf{}",
                           "[}",
                           "{]",
                           "\"\xff\"",
                           R"("\q")",
                           R"("\u12")",
                           R"("\u12g4")",
                           R"({"\x":1})",
                           R"("\U0041")",
                           R"("\'")",
                           R"("\u")",
                           R"("\\\q")"})
    EXPECT_FALSE(is_json(text)) << text;
  std::string deep(kJsonDepthMax, '[');
  EXPECT_TRUE(is_json(deep + std::string(kJsonDepthMax, ']')));
  EXPECT_FALSE(is_json("[" + deep + std::string(kJsonDepthMax + 1, ']')));
  EXPECT_FALSE(is_json(std::string(250'000, '[')));
}

}  // namespace
}  // namespace spinney::server::protocol
