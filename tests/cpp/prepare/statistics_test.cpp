// Moments, sketches and fits: equal bits however rows are divided, errors within what is stated.
#include "spinney/prepare/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

namespace spinney::prepare {
namespace {

std::vector<double> random_values(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(100, 3);
  std::vector<double> values(n);
  for (double& value : values) {
    value = normal(random);
    const auto dice = random() % 40;
    if (dice == 0) value = std::nan("");
    if (dice == 1) value = random() % 2 ? HUGE_VAL : -HUGE_VAL;
  }
  return values;
}

void on_threads(size_t parts, const std::function<void(size_t)>& run) {
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (size_t part = t; part < parts; part += 3) run(part);
    });
  for (auto& thread : threads) thread.join();
}

bool same(const Moments& a, const Moments& b) {
  const auto equal = [](const std::vector<double>& x, const std::vector<double>& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * 8) == 0;
  };
  return equal(a.count, b.count) && equal(a.mean, b.mean) && equal(a.m2, b.m2) &&
         equal(a.min, b.min) && equal(a.max, b.max) && equal(a.missing, b.missing) &&
         equal(a.positive, b.positive) && equal(a.negative, b.negative);
}

TEST(Moments, AreTheSameBitsOnEveryInstructionSetThreadAndDivision) {
  const size_t width = 13, rows = 5000;
  const auto values = random_values(rows * width, 1);
  const Rows all = dense_rows(values.data(), rows, width);
  RunningMoments expected(width, -HUGE_VAL, HUGE_VAL);
  expected.add(all, run_serially, *usable_kernels().back());
  for (const Kernels* kernels : usable_kernels()) {
    for (const size_t step : {size_t{1}, size_t{7}, size_t{1024}, size_t{1500}, rows}) {
      RunningMoments moments(width, -HUGE_VAL, HUGE_VAL);
      for (size_t first = 0; first < rows; first += step)
        moments.add(all.slice(first, std::min(step, rows - first)), on_threads, *kernels);
      EXPECT_TRUE(same(moments.total(), expected.total())) << kernels->name << " by " << step;
    }
  }
}

TEST(Moments, MeetSumsInHigherPrecision) {
  const size_t rows = 20000;
  auto values = random_values(rows, 3);
  for (double& value : values) value += 1e9;  // where sums of squares lose everything
  RunningMoments moments(1, -HUGE_VAL, HUGE_VAL);
  moments.add(dense_rows(values.data(), rows, 1), run_serially, best_kernels());
  long double sum = 0, squares = 0;
  size_t n = 0;
  for (const double value : values)
    if (std::isfinite(value)) {
      sum += value;
      ++n;
    }
  const long double mean = sum / n;
  for (const double value : values)
    if (std::isfinite(value)) squares += (value - mean) * (value - mean);
  const ColumnMoments got = moments.total().column(0);
  EXPECT_EQ(got.count, static_cast<double>(n));
  EXPECT_EQ(got.count + got.missing + got.positive + got.negative, static_cast<double>(rows));
  EXPECT_NEAR(got.mean, static_cast<double>(mean), 1e-6);
  EXPECT_NEAR(got.variance() / static_cast<double>(squares / n), 1, 1e-7);
}

// The greatest distance in the order between a percentile and where it should lie.
double rank_error(const Sample& sample, const std::vector<double>& sorted) {
  double worst = 0;
  const auto n = static_cast<double>(sorted.size());
  for (int percent = 0; percent <= 100; ++percent) {
    const double value = sample.percentile(percent);
    const auto low = std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
    const auto high = std::upper_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
    const double wanted = percent / 100.0 * (n - 1);
    worst =
        std::max({worst, static_cast<double>(low) - wanted, wanted - static_cast<double>(high)});
  }
  return worst;
}

TEST(QuantileSketch, IsExactWhileSmallAndWithinItsBoundsBeyond) {
  std::mt19937_64 random(5);
  for (const bool growing : {false, true}) {
    QuantileSketch sketch(256, 1024);
    std::vector<double> values;
    for (size_t i = 0; i < 200000; ++i) {
      const double value = growing ? static_cast<double>(i) : static_cast<double>(random() % 90001);
      values.push_back(value);
      sketch.add(value);
      if (i == 1023) {
        EXPECT_TRUE(sketch.is_exact());
        std::vector<double> sorted = values;
        std::sort(sorted.begin(), sorted.end());
        EXPECT_EQ(sketch.sample().values(), sorted);
      }
    }
    EXPECT_FALSE(sketch.is_exact());
    EXPECT_LT(sketch.values_kept(), 2500u);
    EXPECT_EQ(sketch.sample().total(), values.size());
    std::sort(values.begin(), values.end());
    const double worst = rank_error(sketch.sample(), values);
    EXPECT_LE(worst, static_cast<double>(sketch.rank_error_max()) + 1);
    // 2.3 / 256^0.97 for one percentile with 99 %; a hundred of them together stay within twice it.
    EXPECT_LE(worst / static_cast<double>(values.size()), 2 * 2.3 / std::pow(256, 0.97));
    EXPECT_LE(static_cast<double>(sketch.rank_error_max()) / static_cast<double>(values.size()),
              0.2);
  }
}

TEST(QuantileSketch, ErrorsThatWouldWrapAreNoErrors) {
  QuantileSketch sketch(256, 1024);
  EXPECT_TRUE(sketch.restore({{1, 2}}, 2, 0, 1).ok());
  EXPECT_FALSE(sketch.restore({{1, 2}}, 2, 0, UINT64_MAX - 1).ok());
}

TEST(Frequencies, CountsThatWouldWrapAreNoCounts) {
  const auto one = std::bit_cast<uint64_t>(1.0), two = std::bit_cast<uint64_t>(2.0);
  Frequencies frequencies(16);
  EXPECT_TRUE(frequencies.restore({{one, 3}, {two, 4}}, 1).ok());
  EXPECT_EQ(frequencies.mode(), 2.0);
  EXPECT_FALSE(frequencies.restore({{one, UINT64_MAX - 1}, {two, 4}}, 0).ok());  // 2 in 64 bits
  EXPECT_FALSE(frequencies.restore({{one, 3}}, UINT64_MAX - 1).ok());
  EXPECT_EQ(frequencies.mode(), 2.0);
}

TEST(QuantileSketch, PartsCanBeJoined) {
  std::mt19937_64 random(6);
  QuantileSketch joined(512, 2048);
  std::vector<double> values;
  for (int part = 0; part < 20; ++part) {
    QuantileSketch sketch(512, 2048);
    for (int i = 0; i < 9000; ++i) {
      values.push_back(static_cast<double>(random() % 1000003) + part * 1e4);
      sketch.add(values.back());
    }
    joined.merge(sketch);
  }
  EXPECT_EQ(joined.sample().total(), values.size());
  std::sort(values.begin(), values.end());
  const double worst = rank_error(joined.sample(), values);
  EXPECT_LE(worst, static_cast<double>(joined.rank_error_max()) + 1);
  EXPECT_LE(worst / static_cast<double>(values.size()), 2 * 2.3 / std::pow(512, 0.97));
}

TEST(Frequencies, FindTheModeAndSayHowFarTheyMayBeOff) {
  std::mt19937_64 random(7);
  Frequencies counts(64);
  uint64_t often = 0, n = 0;
  for (int i = 0; i < 50000; ++i, ++n) {
    const bool hit = random() % 10 == 0;
    often += hit;
    counts.add(hit ? -3.5 : static_cast<double>(random() % 20000));
  }
  EXPECT_EQ(counts.mode(), -3.5);
  EXPECT_GT(counts.error(), 0u);
  EXPECT_LE(counts.error(), n / 64);
  Frequencies few(64);
  for (const double value : {2.0, 1.0, 2.0, 1.0, 3.0, -0.0, 0.0}) few.add(value);
  EXPECT_EQ(few.mode(), 0.0);  // three values twice: the smallest
  EXPECT_EQ(few.error(), 0u);
}

TEST(Sample, SortsByDigitsAsByComparisons) {
  std::mt19937_64 random(8);
  std::vector<double> singles, doubles;
  for (int i = 0; i < 20000; ++i) {
    const double value =
        std::ldexp(static_cast<double>(random()) - 9e18, -static_cast<int>(random() % 90));
    doubles.push_back(value);
    singles.push_back(static_cast<float>(value));
  }
  for (auto* values : {&singles, &doubles}) {
    std::vector<double> expected = *values;
    std::sort(expected.begin(), expected.end());
    sort_values(*values, values == &singles);
    EXPECT_EQ(*values, expected);
  }
}

TEST(Statistics, RefuseWhatOnePassCannotGive) {
  Options options;
  options.normalization = Normalization::kYeoJohnson;
  const auto made = Statistics::make(options, 3);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::kUnsupported);
  options.normalization = Normalization::kRobust;
  const double rows[] = {1, 2, 3, 4};
  const auto fitted = fit(options, dense_rows(rows, 4, 1), run_serially);
  ASSERT_TRUE(fitted.ok());
  Statistics statistics = Statistics::of(options, *fitted);
  EXPECT_EQ(statistics.update(dense_rows(rows, 4, 1), run_serially).error().code,
            Code::kUnsupported);
  EXPECT_FALSE(Statistics::make(Options{}, 2)->recipe().ok());
  EXPECT_FALSE(fit(Options{}, dense_rows(rows, 0, 4), run_serially).ok());
}

TEST(Statistics, SpreadsBeyondANumberAreRefused) {
  const double rows[] = {1e200, -1e200, 1e200};
  const auto fitted = fit(Options{}, dense_rows(rows, 3, 1), run_serially);
  ASSERT_FALSE(fitted.ok());
  EXPECT_NE(fitted.error().message.find("column 0"), std::string::npos);
}

}  // namespace
}  // namespace spinney::prepare
