// Dot products: the exact sum rounded once, the same bits from every instruction set, whatever the
// rows: cancelling, of huge and tiny numbers, at ties, with infinities and NaN.
#include "spinney/kernel/linear/dots.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "spinney/kernel/linear/exact_dot.h"

namespace spinney::kernel {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kTiny = 0x1p-1074;
constexpr double kHuge = std::numeric_limits<double>::max();

double exact(std::vector<double> x, std::vector<double> w) {
  return exact_dot(x.data(), w.data(), x.size());
}

TEST(ExactDot, RoundsTheExactSumOnce) {
  EXPECT_EQ(exact({0.1, 0.2, 0.3, 0.4}, {1, 1, 1, 1}), 1.0);
  EXPECT_EQ(exact({1e300, 1, -1e300}, {1e300, 1, 1e300}), 1.0);  // the products overflow
  EXPECT_EQ(exact({kHuge, kHuge, -kHuge}, {1, 1, 1}), kHuge);
  EXPECT_EQ(exact({kHuge, 0x1p969}, {1, 1}), kHuge);
  EXPECT_EQ(exact({kHuge, 0x1p970}, {1, 1}), kInfinity);  // half a step beyond: to even
  EXPECT_EQ(exact({1, 0x1p-53}, {1, 1}), 1.0);            // a tie, to even
  EXPECT_EQ(exact({1, 0x1p-53, kTiny}, {1, 1, kTiny}), 1 + 0x1p-52);
  EXPECT_EQ(exact({1 + 0x1p-52, 0x1p-53}, {1, 1}), 1 + 0x1p-51);
  EXPECT_EQ(exact({-1, -0x1p-53, -kTiny}, {1, 1, 1}), -1 - 0x1p-52);
}

TEST(ExactDot, KnowsSubnormalsAndZeros) {
  EXPECT_EQ(exact({kTiny}, {0.5}), 0.0);  // a tie, to even
  EXPECT_EQ(exact({kTiny, kTiny}, {0.5, kTiny}), kTiny);
  EXPECT_EQ(exact({3 * kTiny}, {0.5}), 2 * kTiny);
  EXPECT_EQ(exact({kTiny, kTiny}, {0.5, 0.5}), kTiny);
  EXPECT_TRUE(std::signbit(exact({-kTiny}, {0.25})));     // less than half the least number
  EXPECT_FALSE(std::signbit(exact({-0.0, 0}, {1, -1})));  // nothing at all is +0
  EXPECT_FALSE(std::signbit(exact({1, -1}, {1, 1})));
  EXPECT_EQ(exact({}, {}), 0.0);
  EXPECT_EQ(exact({0x1p-1022, -kTiny}, {1, 1}), 0x1p-1022 - kTiny);
}

TEST(ExactDot, InfinitiesAndNanDecideAlone) {
  EXPECT_EQ(exact({kInfinity, -kHuge, -kHuge}, {1, kHuge, kHuge}), kInfinity);
  EXPECT_EQ(exact({1, 5}, {-kInfinity, 1}), -kInfinity);
  for (const double sum :
       {exact({kInfinity, -kInfinity}, {1, 1}), exact({kInfinity}, {0}), exact({kNan}, {0})}) {
    EXPECT_TRUE(std::isnan(sum));
    EXPECT_FALSE(std::signbit(sum));
  }
}

TEST(ExactDot, FloatsAreRoundedInOneStep) {
  const float x[] = {1, 0x1p-24f, 0x1p-60f};
  const double w[] = {1, 1, 1};
  EXPECT_EQ(exact_dot_float(x, w, 2), 1.0f);          // a tie, to even
  EXPECT_EQ(exact_dot_float(x, w, 3), 1 + 0x1p-23f);  // where a double would round to the tie
  const float tiny[] = {0x1p-149f, -0x1p-149f};
  const double half[] = {0.5, 0.25};
  EXPECT_EQ(exact_dot_float(tiny, half, 1), 0.0f);
  EXPECT_FALSE(std::signbit(exact_dot_float(tiny, half, 2)));
  EXPECT_TRUE(std::signbit(exact_dot_float(tiny + 1, half, 1)));
  const float huge[] = {std::numeric_limits<float>::max(), 0x1p103f};
  EXPECT_EQ(exact_dot_float(huge, w, 1), huge[0]);
  EXPECT_EQ(exact_dot_float(huge, w, 2), std::numeric_limits<float>::infinity());
}

// Rows of one kind: numbers that are plain, cancel, spread over all exponents, lie near the ends of
// what a double holds, have few digits (ties), or are special.
class RowMaker {
 public:
  explicit RowMaker(uint32_t seed) : random_(seed) {}

  template <typename Number>
  Number number(int kind) {
    const double v = normal_(random_);
    const auto whole = static_cast<double>(static_cast<int>(random_() % 17) - 8);
    switch (kind) {
      case 0:
        return static_cast<Number>(v);
      case 1:
        return static_cast<Number>(whole);
      case 2:
        return static_cast<Number>(std::ldexp(v, static_cast<int>(random_() % kSpread<Number>) -
                                                     static_cast<int>(kSpread<Number> / 2)));
      case 3:
        return static_cast<Number>(std::ldexp(whole, random_() % 2 ? -60 : 0));
      case 4:
        return std::numeric_limits<Number>::denorm_min() * static_cast<Number>(whole);
      case 5:
        return std::numeric_limits<Number>::max() / static_cast<Number>(1 + random_() % 3) *
               (random_() % 2 ? 1 : -1);
      default:
        return special<Number>();
    }
  }
  // The second half undoes the first but for the last digits.
  template <typename Number>
  void cancel(Number* x, double* w, size_t n) {
    for (size_t j = 0; j < n / 2; ++j) {
      x[j + n / 2] = -x[j];
      w[j + n / 2] = random_() % 3 ? w[j] : std::nextafter(w[j], 2 * w[j]);
      if (sizeof(Number) == 4) w[j + n / 2] = static_cast<double>(static_cast<float>(w[j]));
    }
  }

 private:
  template <typename Number>
  static constexpr uint32_t kSpread = sizeof(Number) == 4 ? 250 : 2000;

  template <typename Number>
  Number special() {
    const Number infinity = std::numeric_limits<Number>::infinity();
    const Number values[] = {0,        Number{-0.0}, 1,
                             infinity, -infinity,    std::numeric_limits<Number>::quiet_NaN()};
    return values[random_() % 40 < 6 ? random_() % 6 : 2];
  }

  std::mt19937 random_;
  std::normal_distribution<double> normal_;
};

template <typename Real>
void expect_same_bits(const std::vector<Real>& given, const std::vector<Real>& expected,
                      const char* name, size_t n) {
  for (size_t i = 0; i < given.size(); ++i)
    ASSERT_EQ(std::memcmp(&given[i], &expected[i], sizeof(Real)), 0)
        << name << ", " << n << " features, sum " << i << ": " << given[i] << " and not "
        << expected[i];
}

template <typename Number>
void check_kernels(size_t n, size_t outputs, int kind, int weight_kind, bool cancels) {
  constexpr size_t kRows = 21;
  RowMaker maker(static_cast<uint32_t>(1000 * n + 10 * kind + weight_kind));
  std::vector<Number> x(kRows * n);
  std::vector<double> w(outputs * n);
  for (Number& v : x) v = maker.number<Number>(kind);
  for (double& v : w) v = static_cast<double>(maker.number<Number>(weight_kind));
  if (cancels) maker.cancel(x.data() + n, w.data(), n);
  const DotWeights weights(w, n, outputs);
  std::vector<double> expected;
  std::vector<float> narrow;
  for (size_t r = 0; r < kRows; ++r)
    for (size_t k = 0; k < outputs; ++k) {
      expected.push_back(exact_dot(x.data() + r * n, w.data() + k * n, n));
      if constexpr (sizeof(Number) == 4)
        narrow.push_back(exact_dot_float(x.data() + r * n, w.data() + k * n, n));
    }
  const PackedRows<Number> rows{x.data(), static_cast<ptrdiff_t>(n), kRows};
  for (const Dots* dots : usable_dots()) {
    std::vector<double> sums(expected.size());
    if constexpr (sizeof(Number) == 8) {
      dots->doubles(weights, rows, sums.data());
    } else {
      std::vector<float> floats(narrow.size());
      dots->widened(weights, rows, sums.data());
      dots->floats(weights, rows, floats.data());
      expect_same_bits(floats, narrow, dots->name, n);
    }
    expect_same_bits(sums, expected, dots->name, n);
  }
}

TEST(Dots, EveryInstructionSetGivesTheExactSumRoundedOnce) {
  for (const size_t n : {0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 64, 100, 257})
    for (int kind = 0; kind < 7; ++kind)
      for (int weight_kind = 0; weight_kind < 7; ++weight_kind)
        for (const bool cancels : {false, true}) {
          check_kernels<double>(n, 1 + n % 3, kind, weight_kind, cancels && n > 0);
          check_kernels<float>(n, 1 + n % 3, kind, weight_kind, cancels && n > 0);
          if (HasFatalFailure()) return;
        }
}

TEST(Dots, ReadsRowsAtAStrideAndNothingBehindThem) {
  const size_t n = 11;
  std::vector<double> x(7 * 2 * n, kNan), w(n, 0.1);
  for (size_t r = 0; r < 7; ++r)
    for (size_t j = 0; j < n; ++j) x[r * 2 * n + j] = static_cast<double>(r + j);
  const DotWeights weights(w, n, 1);
  for (const Dots* dots : usable_dots()) {
    double sums[7];
    dots->doubles(weights, {x.data(), 2 * n, 7}, sums);
    for (size_t r = 0; r < 7; ++r) EXPECT_EQ(sums[r], exact_dot(&x[r * 2 * n], w.data(), n));
  }
}

}  // namespace
}  // namespace spinney::kernel
