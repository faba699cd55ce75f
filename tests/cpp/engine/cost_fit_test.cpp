// The fitted cost of batches, and how far batches grow with it.
#include "spinney/batch/cost_fit.h"

#include <gtest/gtest.h>

#include <random>

namespace spinney::batch {
namespace {

CostFit fitted(double row_ns, double batch_ns, unsigned seed = 1, double noise = 0) {
  std::mt19937 random(seed);
  CostFit fit;
  for (int i = 0; i < 300; ++i) {
    const size_t rows = 1 + random() % 64;
    const double jitter = 1 + noise * (static_cast<double>(random() % 2001) / 1000 - 1);
    fit.add(rows, (row_ns * static_cast<double>(rows) + batch_ns) * jitter);
  }
  return fit;
}

TEST(CostFit, FindsTheLine) {
  const CostFit fit = fitted(200, 30'000);
  EXPECT_NEAR(fit.row_ns(), 200, 1);
  EXPECT_NEAR(fit.batch_ns(), 30'000, 100);
  const CostFit noisy = fitted(2'000, 30'000, 2, 0.1);
  EXPECT_NEAR(noisy.row_ns(), 2'000, 400);
  EXPECT_NEAR(noisy.cost_ns(32), 94'000, 10'000);
}

TEST(CostFit, KnowsNothingBeforeItHasSamplesOrAnEstimate) {
  CostFit fit;
  EXPECT_FALSE(fit.known());
  fit.assume(100, 1'000);
  EXPECT_TRUE(fit.known());
  EXPECT_EQ(fit.cost_ns(10), 2'000);
}

TEST(CostFit, BatchesOfOneSizeKeepTheShares) {
  CostFit fit;
  fit.assume(100, 3'000);
  for (int i = 0; i < 500; ++i) fit.add(10, 8'000);  // twice what was assumed
  EXPECT_NEAR(fit.row_ns(), 200, 5);
  EXPECT_NEAR(fit.batch_ns(), 6'000, 100);
}

TEST(CostFit, FollowsACpuThatGetsSlowerAndForgivesAnInterruption) {
  CostFit fit = fitted(1'000, 5'000);
  const double before = fit.cost_ns(32);
  fit.add(32, 1e9);
  EXPECT_LT(fit.cost_ns(32), 1.2 * before);
  std::mt19937 random(5);
  for (int i = 0; i < 400; ++i) {
    const size_t rows = 1 + random() % 64;
    fit.add(rows, 3 * (1'000.0 * static_cast<double>(rows) + 5'000));
  }
  EXPECT_NEAR(fit.cost_ns(32), 3 * before, 0.1 * before);
}

TEST(CostFit, BatchesGrowWithTheCostOfABatchBesideThatOfARow) {
  size_t last = 0;
  for (const double batch_ns : {0.0, 1'000.0, 10'000.0, 100'000.0, 1e6}) {
    const CostFit fit = fitted(20'000, batch_ns);
    const size_t rows = fit.worthwhile_rows(1'000);
    EXPECT_GE(rows, last);
    // What a batch costs is shared by so many rows that it is 3 % of a row's cost, not by more.
    const auto share = [&](size_t n) {
      return (fit.batch_ns() + 1'000) / static_cast<double>(n) / fit.row_ns();
    };
    if (rows < 1'000) {
      EXPECT_LE(share(rows), 0.031);
    }
    if (rows > 8) {
      EXPECT_GT(share(rows / 2), 0.03);
    }
    last = rows;
  }
  EXPECT_EQ(fitted(20'000, 0).worthwhile_rows(1'000), 8u);  // slow rows: short batches
  EXPECT_EQ(fitted(1, 1e6).worthwhile_rows(64), 64u);
}

}  // namespace
}  // namespace spinney::batch
