#include "spinney/model/median.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace spinney {
namespace {

double median(std::vector<double> values, std::vector<double> weights) {
  return weighted_median(values, weights);
}

TEST(WeightedMedian, IsTheFirstValueAtHalfTheWeight) {
  EXPECT_EQ(median({5}, {0.1}), 5);
  EXPECT_EQ(median({3, 1, 2}, {1, 1, 1}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}, {1, 1, 1, 1}), 2);  // exactly half counts as reached
  EXPECT_EQ(median({3, 1, 2}, {10, 1, 1}), 3);
  EXPECT_EQ(median({3, 1, 2}, {1, 10, 1}), 1);
}

TEST(WeightedMedian, ZeroWeightsAndNan) {
  EXPECT_EQ(median({2, 1}, {0, 0}), 1);
  EXPECT_EQ(median({std::nan(""), 1, 2}, {1, 1, 1}), 2);
  EXPECT_TRUE(std::isnan(median({std::nan(""), 1}, {3, 1})));
}

}  // namespace
}  // namespace spinney
