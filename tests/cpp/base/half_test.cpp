// float16 in software: all halves, and every float between two of them that matters.
#include "spinney/base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace spinney {
namespace {

TEST(Half, EveryHalfIsAFloatAndComesBack) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = half_value(half);
    const uint32_t exponent = bits >> 10 & 31, mantissa = bits & 0x3ff;
    ASSERT_EQ(std::signbit(value), bits >> 15 == 1);
    if (exponent == 31) {
      ASSERT_FALSE(half_is_finite(half));
      ASSERT_EQ(std::isnan(value), mantissa != 0);
      // A NaN keeps its payload and becomes quiet.
      ASSERT_EQ(half_of(value), mantissa ? bits | 0x200 : bits);
      continue;
    }
    ASSERT_TRUE(half_is_finite(half));
    const double expected = exponent == 0
                                ? std::ldexp(mantissa, -24)
                                : std::ldexp(1024 + mantissa, static_cast<int>(exponent) - 25);
    ASSERT_EQ(std::fabs(static_cast<double>(value)), expected) << bits;
    ASSERT_EQ(half_of(value), bits);
  }
}

// Between two neighbours, subnormal ones too: the middle goes to the even one, the rest to the
// nearer one.
TEST(Half, RoundsToTheNearestAndTiesToEven) {
  for (uint16_t half = 0; half < 0x7bff; ++half) {
    const float low = half_value(half), high = half_value(static_cast<uint16_t>(half + 1));
    const float middle = low + (high - low) / 2;  // exact
    const uint16_t even = half % 2 == 0 ? half : static_cast<uint16_t>(half + 1);
    for (const float sign : {1.0f, -1.0f}) {
      const auto bits = [&](uint16_t of) { return of | (sign < 0 ? 0x8000 : 0); };
      ASSERT_EQ(half_of(sign * middle), bits(even)) << half;
      ASSERT_EQ(half_of(sign * std::nextafter(middle, 0.0f)), bits(half)) << half;
      ASSERT_EQ(half_of(sign * std::nextafter(middle, 1e9f)), bits(half + 1)) << half;
    }
  }
}

TEST(Half, BeyondTheRangeAndTiny) {
  EXPECT_EQ(half_of(65504.0f), 0x7bff);
  EXPECT_EQ(half_of(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(half_of(65520.0f), 0x7c00);
  EXPECT_EQ(half_of(-std::numeric_limits<float>::max()), 0xfc00);
  EXPECT_EQ(half_of(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(half_of(0x1p-25f), 0);  // a tie with zero
  EXPECT_EQ(half_of(std::nextafter(0x1p-25f, 1.0f)), 1);
  EXPECT_EQ(half_of(-std::numeric_limits<float>::denorm_min()), 0x8000);
  EXPECT_EQ(half_of(std::bit_cast<float>(0x7f800001U)), 0x7e00);  // a signalling NaN, payload lost
  EXPECT_EQ(half_of(std::bit_cast<float>(0xffc02000U)), 0xfe01);
}

}  // namespace
}  // namespace spinney
