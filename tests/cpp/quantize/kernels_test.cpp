// Every instruction set's loops against the scalar ones, over lengths around their blocks and
// values at and beside ties, ends and infinities.
#include "spinney/quantize/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "spinney/quantize/channels.h"

namespace spinney::quantize {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr Storage kStorages[] = {Storage::kInt8, Storage::kUint8, Storage::kInt16,
                                 Storage::kUint16};
constexpr size_t kLengths[] = {0, 1, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 127, 500};

const Kernels& oracle() { return *all_kernels().back(); }

std::vector<float> hard_values(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  const float special[] = {0.0f,     -0.0f,     kInfinity, -kInfinity, std::nanf(""),
                           1e-45f,   3.4e38f,   127.5f,    -128.5f,    254.5f,
                           32767.5f, -32768.5f, 0.5f,      1.5f,       -2.5f};
  for (float& value : values) {
    const unsigned kind = random() % 4;
    if (kind == 0)
      value = special[random() % std::size(special)];
    else if (kind == 1)
      value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 2;
    else
      value = std::ldexp(static_cast<float>(random() % 65536) - 32768,
                         static_cast<int>(random() % 40) - 30);
    if (kind == 2) value = std::nextafter(value, kInfinity);
  }
  return values;
}

void expect_same(const Outside& a, const Outside& b) {
  EXPECT_EQ(a.clipped, b.clipped);
  EXPECT_EQ(a.nans, b.nans);
  EXPECT_EQ(a.infinities, b.infinities);
}

void compare_codes(const Kernels& set, Storage storage, size_t n, const Affine& affine) {
  const std::vector<float> x = hard_values(n, static_cast<unsigned>(n) + 1);
  const size_t bytes = n * size_of(storage);
  // One byte more, which must stay as it is.
  std::vector<uint8_t> wanted(bytes + 1, 0x5a), found(bytes + 1, 0x5a);
  expect_same(set.quantize(x.data(), n, affine, storage, found.data()),
              oracle().quantize(x.data(), n, affine, storage, wanted.data()));
  EXPECT_EQ(found, wanted);
  std::vector<float> back(n), wanted_back(n);
  set.dequantize(wanted.data(), n, affine, storage, back.data());
  oracle().dequantize(wanted.data(), n, affine, storage, wanted_back.data());
  EXPECT_EQ(back, wanted_back);

  const std::vector<float> scales(n, affine.scale);
  const std::vector<int32_t> zeros(n, affine.zero);
  const AffineEach each{scales.data(), zeros.data(), affine.low, affine.high};
  std::vector<uint8_t> by_each(bytes + 1, 0x5a);
  set.quantize_each(x.data(), n, each, storage, by_each.data());
  EXPECT_EQ(by_each, wanted);
  set.dequantize_each(wanted.data(), n, each, storage, back.data());
  EXPECT_EQ(back, wanted_back);
}

TEST(QuantizeKernels, AgreeWithTheOracle) {
  for (const Kernels* set : all_kernels()) {
    SCOPED_TRACE(set->name);
    for (const Storage storage : kStorages)
      for (const size_t n : kLengths)
        for (const float scale : {1.0f, 0.1f, 3e-30f, 2e30f}) {
          const CodeRange codes = code_range(storage, static_cast<int>(size_of(storage)) * 8);
          for (const int32_t zero : {codes.low, (codes.low + codes.high) / 2, codes.high})
            compare_codes(*set, storage, n, {scale, zero, codes.low, codes.high});
        }
  }
}

TEST(QuantizeKernels, RangesAndHalvesAgree) {
  for (const Kernels* set : all_kernels()) {
    SCOPED_TRACE(set->name);
    for (const size_t n : kLengths) {
      const std::vector<float> x = hard_values(n, static_cast<unsigned>(n) + 9);
      const Range found = set->range(x.data(), n), wanted = oracle().range(x.data(), n);
      EXPECT_EQ(found.min, wanted.min);
      EXPECT_EQ(found.max, wanted.max);
      EXPECT_EQ(found.nans, wanted.nans);
      EXPECT_EQ(found.infinities, wanted.infinities);
      std::vector<uint16_t> half(n + 1, 0x5a5a), wanted_half(n + 1, 0x5a5a);
      const Outside outside = set->to_half(x.data(), n, half.data());
      oracle().to_half(x.data(), n, wanted_half.data());
      EXPECT_EQ(outside.nans, wanted.nans);
      EXPECT_EQ(outside.infinities, wanted.infinities);
      EXPECT_EQ(outside.clipped, 0u);
      EXPECT_EQ(half, wanted_half);
      std::vector<float> back(n), wanted_back(n);
      set->from_half(half.data(), n, back.data());
      oracle().from_half(half.data(), n, wanted_back.data());
      EXPECT_EQ(0, n == 0 ? 0 : std::memcmp(back.data(), wanted_back.data(), n * sizeof(float)));
    }
  }
}

// So many that results go past the caches, to places aligned and not.
TEST(QuantizeKernels, LargeResultsAgree) {
  const size_t n = (size_t{4} << 20) + 21;
  std::vector<float> x = hard_values(size_t{1} << 12, 5);
  x.resize(n);
  for (size_t i = size_t{1} << 12; i < n; ++i) x[i] = x[i - 4095];
  std::vector<uint16_t> halves(n + 4), wanted_halves(n + 4);
  std::vector<float> values(n + 4), wanted(n + 4);
  const Affine affine{0.3f, -5, -128, 127};
  const auto is_same = [](const auto& a, const auto& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
  };
  for (const Kernels* set : all_kernels())
    for (const size_t shift : {0, 1, 3}) {
      SCOPED_TRACE(set->name);
      halves.assign(n + 4, 1), wanted_halves = halves;
      const Outside outside = set->to_half(x.data(), n, halves.data() + shift);
      const Outside counted = oracle().to_half(x.data(), n, wanted_halves.data() + shift);
      EXPECT_EQ(outside.nans, counted.nans);
      EXPECT_EQ(outside.infinities, counted.infinities);
      EXPECT_TRUE(is_same(halves, wanted_halves));
      values.assign(n + 4, 1), wanted = values;
      set->from_half(halves.data(), n, values.data() + shift);
      oracle().from_half(halves.data(), n, wanted.data() + shift);
      EXPECT_TRUE(is_same(values, wanted));
      set->dequantize(halves.data(), n, affine, Storage::kInt8, values.data() + shift);
      oracle().dequantize(halves.data(), n, affine, Storage::kInt8, wanted.data() + shift);
      EXPECT_TRUE(is_same(values, wanted));
    }
}

TEST(QuantizeKernels, RangeOfNothingFiniteIsZero) {
  const float nothing[] = {std::nanf(""), kInfinity, -kInfinity};
  for (const Kernels* set : all_kernels()) {
    const Range range = set->range(nothing, 3);
    EXPECT_EQ(range.min, 0);
    EXPECT_EQ(range.max, 0);
    EXPECT_EQ(range.nans, 1u);
    EXPECT_EQ(range.infinities, 2u);
  }
}

TEST(QuantizeChannels, AreWhatEachChannelAloneGives) {
  for (const Kernels* set : all_kernels())
    for (const ChannelShape shape :
         {ChannelShape{5, 3, 1}, {600, 7, 1}, {3, 4, 33}, {0, 3, 1}, {2, 700, 1}, {1, 5, 0}}) {
      const std::vector<float> x = hard_values(shape.size(), 3);
      const std::vector<Range> ranges = channel_ranges(*set, x.data(), shape);
      std::vector<float> scales(shape.channels);
      std::vector<int32_t> zeros(shape.channels);
      for (size_t c = 0; c < shape.channels; ++c) {
        std::vector<float> own;
        for (size_t i = 0; i < shape.size(); ++i)
          if (i / shape.inner % shape.channels == c) own.push_back(x[i]);
        const Range wanted = oracle().range(own.data(), own.size());
        EXPECT_EQ(ranges[c].min, wanted.min);
        EXPECT_EQ(ranges[c].max, wanted.max);
        EXPECT_EQ(ranges[c].nans, wanted.nans);
        const Affine affine = affine_for(wanted.min, wanted.max, {-128, 127}, false);
        scales[c] = affine.scale;
        zeros[c] = affine.zero;
      }
      std::vector<int8_t> codes(shape.size()), wanted(shape.size());
      quantize_channels(*set, x.data(), shape, {scales.data(), zeros.data(), -128, 127},
                        Storage::kInt8, codes.data());
      for (size_t i = 0; i < shape.size(); ++i) {
        const size_t c = i / shape.inner % shape.channels;
        oracle().quantize(&x[i], 1, {scales[c], zeros[c], -128, 127}, Storage::kInt8, &wanted[i]);
      }
      EXPECT_EQ(codes, wanted);
    }
}

TEST(AffineFor, KeepsScalesUsableAtTheEndsOfFloats) {
  for (const bool symmetric : {false, true})
    for (const float size : {1e-45f, 1e-38f, 1.0f, 3.4e38f}) {
      const Affine affine = affine_for(-size, size, {-128, 127}, symmetric);
      EXPECT_GT(affine.scale, 0);
      EXPECT_TRUE(std::isfinite(affine.scale));
      EXPECT_GE(affine.zero, affine.low);
      EXPECT_LE(affine.zero, affine.high);
    }
  EXPECT_EQ(affine_for(0, 0, {-128, 127}, true).scale, 1);
  EXPECT_EQ(affine_for(2, 3, {0, 255}, false).zero, 0);
}

}  // namespace
}  // namespace spinney::quantize
