// Histograms against sorted values: quantiles within the stated error, exact counts.
#include "spinney/observe/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "spinney/observe/counter.h"

namespace spinney::observe {
namespace {

TEST(Histogram, BucketsTileTheValues) {
  for (size_t b = 0; b < kBuckets; ++b) {
    ASSERT_LT(bucket_begin(b), bucket_begin(b + 1));
    ASSERT_EQ(bucket_of(bucket_begin(b)), b);
    ASSERT_EQ(bucket_of(bucket_begin(b + 1) - 1), b);
    const double width = static_cast<double>(bucket_begin(b + 1) - bucket_begin(b));
    if (width > 1) {
      ASSERT_LE(width / 2 / static_cast<double>(bucket_begin(b)), kRelativeError);
    }
  }
  EXPECT_EQ(bucket_begin(kBuckets), uint64_t{1} << kValueBits);
  EXPECT_EQ(bucket_of(UINT64_MAX), kBuckets - 1);
}

std::vector<uint64_t> spread_values(unsigned seed, size_t n) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> lengths(9, 2.5);
  std::vector<uint64_t> values(n);
  for (uint64_t& v : values)
    v = static_cast<uint64_t>(std::min(lengths(random), static_cast<double>(uint64_t{1} << 41)));
  return values;
}

void expect_quantiles(const HistogramSnapshot& got, std::vector<uint64_t> values) {
  std::sort(values.begin(), values.end());
  ASSERT_EQ(got.count(), values.size());
  for (const double share : {0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
    const auto rank =
        static_cast<size_t>(std::max(1.0, std::ceil(share * static_cast<double>(values.size()))));
    const auto exact = static_cast<double>(values[rank - 1]);
    EXPECT_NEAR(got.quantile(share), exact, exact * kRelativeError + 1e-9) << share;
  }
}

TEST(Histogram, QuantilesAreWithinTheStatedError) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto values = spread_values(seed, 50 + 500 * seed);
    Histogram histogram(seed % 2 ? 4 : 1);
    uint64_t sum = 0;
    for (const uint64_t v : values) {
      histogram.record(v);
      sum += v;
    }
    const HistogramSnapshot got = histogram.read();
    expect_quantiles(got, values);
    EXPECT_EQ(got.sum(), sum);
    EXPECT_EQ(got.max(), *std::max_element(values.begin(), values.end()));
    EXPECT_EQ(got.min(), *std::min_element(values.begin(), values.end()));
  }
}

TEST(Histogram, SnapshotsMergeAndSubtract) {
  const auto a = spread_values(1, 2000);
  const auto b = spread_values(2, 3000);
  Histogram histogram;
  for (const uint64_t v : a) histogram.record(v);
  const HistogramSnapshot first = histogram.read();
  for (const uint64_t v : b) histogram.record(v);
  const HistogramSnapshot both = histogram.read();
  expect_quantiles(both.since(first), b);
  HistogramSnapshot again = both.since(first);
  again.merge(first);
  auto all = a;
  all.insert(all.end(), b.begin(), b.end());
  expect_quantiles(again, all);
  EXPECT_EQ(again.sum(), both.sum());
  EXPECT_EQ(both.since(both).count(), 0u);
  EXPECT_EQ(both.since(both).quantile(0.5), 0);
}

TEST(Histogram, KnowsNothingWhenEmptyAndAfterReset) {
  Histogram histogram;
  EXPECT_EQ(histogram.read().count(), 0u);
  EXPECT_EQ(histogram.read().quantile(0.99), 0);
  EXPECT_EQ(histogram.read().min(), 0u);
  EXPECT_EQ(histogram.read().mean(), 0);
  histogram.record(5, 7);
  histogram.record_signed(-3);
  EXPECT_EQ(histogram.read().count(), 8u);
  EXPECT_EQ(histogram.read().min(), 0u);
  const HistogramSnapshot before = histogram.read();
  histogram.reset();
  EXPECT_EQ(histogram.read().count(), 0u);
  histogram.record(9);
  EXPECT_EQ(histogram.read().since(before).count(), 1u);
}

TEST(Histogram, ValuesBeyondTheLastBucketCountThere) {
  Histogram histogram;
  histogram.record(uint64_t{1} << 50);
  EXPECT_EQ(histogram.read().quantile(1), static_cast<double>(uint64_t{1} << 50));
  EXPECT_EQ(histogram.read().max(), uint64_t{1} << 50);
}

TEST(Histogram, CountsUpToABound) {
  Histogram histogram;
  for (uint64_t v = 1; v <= 60; ++v) histogram.record(v);
  EXPECT_EQ(histogram.read().count_up_to(0), 0u);
  EXPECT_EQ(histogram.read().count_up_to(30), 30u);
  EXPECT_EQ(histogram.read().count_up_to(1'000'000), 60u);
}

TEST(Histogram, RecordingAloneIsTheSame) {
  Histogram alone, atomic;
  std::mt19937_64 random(5);
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t value = random() >> (random() % 64);
    alone.record_alone(i % 3, [&](size_t at) { return value >> at; });
    for (int at = 0; at < i % 3; ++at) atomic.record(value >> at);
  }
  const HistogramSnapshot a = alone.read(), b = atomic.read();
  EXPECT_EQ(a.count(), b.count());
  EXPECT_EQ(a.sum(), b.sum());
  EXPECT_EQ(a.min(), b.min());
  EXPECT_EQ(a.max(), b.max());
  for (double share : {0.0, 0.25, 0.5, 0.9, 0.999, 1.0})
    EXPECT_EQ(a.quantile(share), b.quantile(share));
}

TEST(Histogram, ThreadsLoseNothing) {
  Histogram one;
  Histogram sharded(4);
  Counter counter;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 20'000; ++i) {
        one.record(i * (t + 1));
        sharded.record(i * (t + 1));
        counter.add(2);
        if (i % 5000 == 0) {
          EXPECT_LE(one.read().count(), 120'000u);
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(one.read().count(), 120'000u);
  EXPECT_EQ(sharded.read().count(), 120'000u);
  EXPECT_EQ(one.read().sum(), sharded.read().sum());
  EXPECT_EQ(one.read().max(), 19'999u * 6);
  EXPECT_EQ(counter.value(), 240'000u);
}

}  // namespace
}  // namespace spinney::observe
