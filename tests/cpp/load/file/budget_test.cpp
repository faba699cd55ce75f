#include "spinney/load/file/budget.h"

#include <gtest/gtest.h>

namespace spinney::load {
namespace {

constexpr BudgetLimits kLimits{100, 2, 10, 5, 4};

TEST(Budget, IsInProportionToTheFile) {
  Budget budget(50, kLimits);  // 100 + 50 + 2 × 50 bytes, 10 + 50 / 5 objects
  EXPECT_TRUE(budget.take(250, 20));
  EXPECT_FALSE(budget.take(1, 0));
  EXPECT_FALSE(budget.take(0, 1));
  EXPECT_TRUE(budget.take(0, 0));
}

TEST(Budget, OfACompressedFile) {
  Budget budget(50, 1000, kLimits);  // of which 4 × 50 count
  EXPECT_FALSE(budget.take(100 + 1000 + 2 * 200 + 1, 0));
  EXPECT_FALSE(budget.take(0, 10 + 200 / 5 + 1));
  EXPECT_TRUE(budget.take(100 + 1000 + 2 * 200, 10 + 200 / 5));
}

TEST(Budget, NoLengthWraps) {
  Budget budget(SIZE_MAX / 2, SIZE_MAX / 2, {100, SIZE_MAX, 10, 1, SIZE_MAX});
  EXPECT_TRUE(budget.take(SIZE_MAX / 8, 10));
}

TEST(Budget, IsSpentOnItsThreadWhileInUse) {
  EXPECT_TRUE(spend("anything", SIZE_MAX, SIZE_MAX, SIZE_MAX).ok());  // none is in use
  Budget budget(0, kLimits);
  {
    const BudgetInUse in_use(budget);
    EXPECT_TRUE(spend("a table", 10, 5, 3).ok());
    EXPECT_TRUE(try_spend(1, 50));
    const Status refused = spend("a table", 1, 1);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::kTooLarge);
    EXPECT_EQ(refused.error().message.find("a table needs far more memory"), 0u);
    EXPECT_FALSE(try_spend(SIZE_MAX / 2 + 1, 2));  // 0 in 64 bits
    Budget inner(0, kLimits);
    const BudgetInUse nested(inner);
    EXPECT_TRUE(try_spend(1, 100));
  }
  EXPECT_TRUE(try_spend(1, SIZE_MAX / 2));
}

}  // namespace
}  // namespace spinney::load
