#include "spinney/base/checked_size.h"

#include <gtest/gtest.h>

#include <array>

namespace spinney {
namespace {

constexpr size_t kHuge = size_t{1} << 62;

TEST(CheckedSize, ProductsThatFit) {
  EXPECT_EQ(checked_product(3u, int64_t{4}, size_t{5}), 60u);
  EXPECT_EQ(checked_product(0, 7), 0u);
  EXPECT_EQ(checked_product(kSizeMax, 1), kSizeMax);
  EXPECT_EQ(checked_product(kSizeMax / 3, 3), kSizeMax / 3 * 3);
}

TEST(CheckedSize, ProductsThatWrapToSmallNumbers) {
  EXPECT_FALSE(checked_product(size_t{1} << 32, size_t{1} << 32));            // 0
  EXPECT_FALSE(checked_product(size_t{1} << 20, size_t{1} << 44));            // 0
  EXPECT_FALSE(checked_product(size_t{0x5555555555555556}, 3));               // 2
  EXPECT_FALSE(checked_product(kHuge, 2));                                    // negative as signed
  EXPECT_FALSE(checked_product(size_t{1} << 56, 256, 8));                     // rows × targets
  EXPECT_FALSE(checked_product(size_t{1} << 31, size_t{1} << 31, 4, 1, 16));  // in several steps
}

TEST(CheckedSize, ZeroHidesNothing) {
  EXPECT_FALSE(checked_product(0, kHuge, kHuge));
  EXPECT_FALSE(checked_product(kHuge, kHuge, 0));
  EXPECT_EQ(checked_product(kHuge, 0), 0u);
}

TEST(CheckedSize, NegativeSizesAreNone) {
  EXPECT_FALSE(checked_product(-1, -1));
  EXPECT_FALSE(checked_product(0, -1));
  EXPECT_FALSE(checked_sum(5, int64_t{-1}));
  EXPECT_FALSE(as_size(INT64_MIN));
  EXPECT_FALSE(as_size(UINT64_MAX));
}

TEST(CheckedSize, Shapes) {
  const std::array<int64_t, 3> shape = {2, 3, 4}, wraps = {int64_t{1} << 40, 1 << 24, 7};
  const std::array<int64_t, 2> negative = {-2, -3};
  EXPECT_EQ(checked_product(std::span<const int64_t>(shape)), 24u);
  EXPECT_FALSE(checked_product(std::span<const int64_t>(wraps)));
  EXPECT_FALSE(checked_product(std::span<const int64_t>(negative)));
  EXPECT_EQ(checked_product(std::span<const int64_t>()), 1u);
}

TEST(CheckedSize, Sums) {
  EXPECT_EQ(checked_sum(1u, int64_t{2}, size_t{3}), 6u);
  EXPECT_FALSE(checked_sum(kSizeMax, 1));
  EXPECT_FALSE(checked_sum(kHuge, kHuge, kHuge, kHuge, 1));  // wraps to 1
}

TEST(CheckedSize, SaysWhatIsTooLarge) {
  EXPECT_EQ(*checked_bytes("predictions", 4, 5, 8), 160u);
  const auto refused = checked_bytes("predictions", size_t{1} << 56, 256, 8);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kTooLarge);
  EXPECT_EQ(refused.error().message,
            "predictions: 72057594037927936 × 256 × 8 bytes are more than memory can hold");
}

}  // namespace
}  // namespace spinney
