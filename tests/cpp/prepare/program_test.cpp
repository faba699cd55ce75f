// Programs against the plainest reading of a recipe, on every instruction set, for hard values.
#include "spinney/prepare/program.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "spinney/prepare/curves.h"

namespace spinney::prepare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Recipe random_recipe(size_t width, Normalization normalization, unsigned steps, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 2);
  const auto fill = [&](std::vector<double>& values) {
    values.resize(width);
    for (double& value : values) value = normal(random);
  };
  Recipe recipe;
  recipe.normalization = normalization;
  fill(recipe.center);
  fill(recipe.scale);
  if ((recipe.fills_missing = steps & 1)) fill(recipe.missing_fill);
  if ((recipe.fills_infinite = steps & 2)) {
    fill(recipe.positive_fill);
    fill(recipe.negative_fill);
  }
  if ((recipe.has_outliers = steps & 4)) {
    fill(recipe.low);
    fill(recipe.below);
    fill(recipe.above);
    recipe.high = recipe.low;
    for (double& value : recipe.high) value += 1.5;
  }
  recipe.clip = steps & 8 ? steps & 32 ? Clip::kFirst : Clip::kLast : Clip::kNone;
  recipe.clip_low = -1.25;
  recipe.clip_high = 1.5;
  recipe.offset = steps & 16 ? 0.375 : 0;
  return recipe;
}

template <typename T>
std::vector<T> hard_values(size_t n, const Recipe& recipe, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 3);
  std::vector<T> values(n);
  const T special[] = {std::numeric_limits<T>::quiet_NaN(),
                       std::numeric_limits<T>::infinity(),
                       -std::numeric_limits<T>::infinity(),
                       T{0},
                       -T{0},
                       std::numeric_limits<T>::denorm_min(),
                       std::numeric_limits<T>::max(),
                       static_cast<T>(-1.25),
                       std::nextafter(static_cast<T>(1.5), T{2})};
  for (size_t i = 0; i < n; ++i) {
    const size_t c = i % recipe.width();
    values[i] = static_cast<T>(normal(random));
    if (random() % 3 == 0) values[i] = special[random() % std::size(special)];
    if (recipe.has_outliers && random() % 5 == 0)
      values[i] = std::nextafter(static_cast<T>(recipe.low[c]), random() % 2 ? T{-99} : T{99});
    if (recipe.has_outliers && random() % 7 == 0) values[i] = static_cast<T>(recipe.high[c]);
  }
  return values;
}

// One value, step by step, in the number type T.
template <typename T>
T plainly(const Recipe& r, size_t c, T x) {
  const auto of = [](double value) { return static_cast<T>(value); };
  T v = x;
  if (r.fills_missing && std::isnan(x)) v = of(r.missing_fill[c]);
  if (r.fills_infinite && std::isinf(x)) v = of(x > 0 ? r.positive_fill[c] : r.negative_fill[c]);
  if (r.has_outliers) {
    const T before = v;
    if (before < of(r.low[c])) v = of(r.below[c]);
    if (before > of(r.high[c])) v = of(r.above[c]);
  }
  const auto clip = [&] {
    if (v < of(r.clip_low)) v = of(r.clip_low);
    if (v > of(r.clip_high)) v = of(r.clip_high);
  };
  if (r.clip == Clip::kFirst) clip();
  if (r.normalization == Normalization::kStandard) v = (v - of(r.center[c])) / of(r.scale[c]);
  if (r.normalization == Normalization::kMinmax) v = v * of(r.scale[c]) + of(r.center[c]);
  if (r.offset != 0) v = v + of(r.offset);
  if (r.clip == Clip::kLast) clip();
  return v;
}

template <typename T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0 && !(std::isnan(a[i]) && std::isnan(b[i])))
      return false;
  return a.size() == b.size();
}

template <typename T>
void check_all(size_t width, size_t rows, Normalization normalization, unsigned steps) {
  const Recipe recipe = random_recipe(width, normalization, steps, width * 31 + steps);
  const auto in = hard_values<T>(rows * width, recipe, rows + 7);
  std::vector<T> expected(in.size());
  for (size_t i = 0; i < in.size(); ++i) expected[i] = plainly(recipe, i % width, in[i]);
  for (const Kernels* kernels : usable_kernels()) {
    const auto program = Program::make(recipe, *kernels);
    ASSERT_TRUE(program.ok());
    std::vector<T> out(in.size());
    (*program)->run_packed(in.data(), rows, out.data());
    EXPECT_TRUE(same_bits(out, expected)) << kernels->name << " " << width << " " << steps;
    // Column by column, as Fortran arrays lie.
    std::vector<T> turned(in.size()), back(in.size());
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < width; ++c) turned[c * rows + r] = in[r * width + c];
    const auto size = static_cast<ptrdiff_t>(sizeof(T));
    const auto column = static_cast<ptrdiff_t>(rows) * size;
    const NumberType type = sizeof(T) == 4 ? NumberType::kFloat32 : NumberType::kFloat64;
    const Rows view{turned.data(), type, rows, width, size, column};
    ASSERT_TRUE((*program)->transform(view, {turned.data(), type, size, column}).ok());
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < width; ++c) back[r * width + c] = turned[c * rows + r];
    EXPECT_TRUE(same_bits(back, expected)) << kernels->name << " in place, by columns";
  }
}

TEST(Program, EveryInstructionSetDoesWhatTheRecipeSays) {
  for (const size_t width : {1, 3, 7, 8, 16, 28, 33, 600})
    for (const size_t rows : {1, 5, 37})
      for (unsigned steps = 0; steps < 64; ++steps)
        for (const auto normalization :
             {Normalization::kNone, Normalization::kStandard, Normalization::kMinmax}) {
          check_all<float>(width, rows, normalization, steps);
          check_all<double>(width, rows, normalization, steps);
        }
}

TEST(Program, MixedNumberTypesAndUnalignedRowsAgree) {
  const size_t width = 11, rows = 29;
  const Recipe recipe = random_recipe(width, Normalization::kStandard, 31, 4);
  const auto in = hard_values<float>(rows * width, recipe, 9);
  const auto program = *Program::make(recipe);
  std::vector<double> wide(in.size()), expected(in.size());
  for (size_t i = 0; i < in.size(); ++i)
    expected[i] = plainly(recipe, i % width, static_cast<double>(in[i]));
  ASSERT_TRUE(program->run(dense_rows(in.data(), rows, width), wide.data()).ok());
  EXPECT_TRUE(same_bits(wide, expected));
  std::vector<char> bytes(in.size() * 4 + 1);
  std::memcpy(bytes.data() + 1, in.data(), in.size() * 4);
  Rows odd = dense_rows(in.data(), rows, width);
  odd.data = bytes.data() + 1;
  std::vector<float> from_odd(in.size()), from_even(in.size());
  ASSERT_TRUE(program->run(odd, from_odd.data()).ok());
  ASSERT_TRUE(program->run(dense_rows(in.data(), rows, width), from_even.data()).ok());
  EXPECT_TRUE(same_bits(from_odd, from_even));
}

TEST(Program, RefusesAnotherWidthAndContradictions) {
  const auto program = *Program::make(random_recipe(4, Normalization::kStandard, 0, 1));
  const float row[3] = {};
  float out[3];
  const Status status = program->run(dense_rows(row, 1, 3), out);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("3 columns"), std::string::npos);
  EXPECT_NE(status.error().message.find("fitted on 4"), std::string::npos);
  const auto refused = [](auto&& spoil) {
    Recipe recipe = random_recipe(4, Normalization::kStandard, 31, 1);
    spoil(recipe);
    return !Program::make(std::move(recipe)).ok();
  };
  EXPECT_FALSE(refused([](Recipe&) {}));
  EXPECT_TRUE(refused([](Recipe& r) { r.scale[2] = 0; }));
  EXPECT_TRUE(refused([](Recipe& r) { r.center[1] = kInfinity; }));
  EXPECT_TRUE(refused([](Recipe& r) { r.scale.pop_back(); }));
  EXPECT_TRUE(refused([](Recipe& r) { r.high[0] = r.low[0] - 1; }));
  EXPECT_TRUE(refused([](Recipe& r) { r.missing_fill.clear(); }));
  EXPECT_TRUE(refused([](Recipe& r) { r.clip_low = 99; }));
  EXPECT_TRUE(refused([](Recipe& r) { r.normalization = Normalization::kQuantile; }));
  EXPECT_TRUE(refused([](Recipe& r) { r.lambda.assign(4, 1); }));
  EXPECT_TRUE(refused([](Recipe& r) { r.center.clear(); }));
}

TEST(Program, MarksRowsWithValuesBeyondTheirBounds) {
  Recipe recipe = random_recipe(3, Normalization::kNone, 7, 2);
  recipe.low = {-1, -1, -1};
  recipe.high = {1, 1, 1};
  recipe.missing_fill = {0, 5, 0};
  recipe.positive_fill = recipe.negative_fill = {0, 0, -7};
  const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  const float rows[] = {0, 1,   -1, 0, 1.0001f, 0, nan, 0, 0,  //
                        0, nan, 0,  0, 0,       0, 0,   0, -infinity};
  uint8_t marks[6];
  const auto program = *Program::make(recipe);
  ASSERT_TRUE(program->mark_outliers(dense_rows(rows, 6, 3), marks).ok());
  EXPECT_EQ(std::vector<uint8_t>(marks, marks + 6), (std::vector<uint8_t>{0, 1, 0, 1, 0, 1}));
}

TEST(Curves, KnownValuesAndTheirInverses) {
  EXPECT_DOUBLE_EQ(normal_quantile(0.975), 1.959963984540054);
  EXPECT_DOUBLE_EQ(normal_quantile(0.5), 0);
  EXPECT_NEAR(normal_quantile(1e-6), -4.753424308822899, 1e-14);
  EXPECT_DOUBLE_EQ(normal_quantile(0), normal_quantile(kNearEnd / 2));
  EXPECT_DOUBLE_EQ(yeo_johnson(3, 0), std::log(4));
  EXPECT_DOUBLE_EQ(yeo_johnson(-3, 2), -std::log(4));
  EXPECT_DOUBLE_EQ(yeo_johnson(3, 2), 7.5);
  EXPECT_DOUBLE_EQ(box_cox(9, 0.5), 4);
  EXPECT_TRUE(std::isnan(box_cox(-1, 0.5)));
  for (const double lambda : {-1.5, 0.0, 0.4, 1.0, 2.0, 3.3})
    for (const double x : {-4.0, -0.3, 0.0, 0.25, 7.0})
      EXPECT_NEAR(inverse_yeo_johnson(yeo_johnson(x, lambda), lambda), x, 1e-10);
  const double quantiles[] = {0, 1, 1, 1, 2};
  EXPECT_EQ(quantile_place(1, quantiles), 0.5);
  EXPECT_EQ(quantile_place(-3, quantiles), 0);
  EXPECT_EQ(quantile_place(2, quantiles), 1);
  EXPECT_EQ(quantile_place(0.5, quantiles), 0.125);
  EXPECT_EQ(inverse_quantile_place(0.125, quantiles), 0.5);
}

}  // namespace
}  // namespace spinney::prepare
