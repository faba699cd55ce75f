#include "spinney/quantize/channels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spinney::quantize {
namespace {

// Rows of few channels are taken several at a time, with the parameters repeated.
constexpr size_t kTileElements = 512;

struct Tile {
  size_t rows = 1;
  std::vector<float> scales;
  std::vector<int32_t> zeros;
};

Tile make_tile(const ChannelShape& shape, const ChannelAffine& affine) {
  Tile tile;
  tile.rows = std::clamp<size_t>(kTileElements / std::max<size_t>(shape.channels, 1), 1,
                                 std::max<size_t>(shape.outer, 1));
  for (size_t r = 0; r < tile.rows; ++r) {
    tile.scales.insert(tile.scales.end(), affine.scales, affine.scales + shape.channels);
    tile.zeros.insert(tile.zeros.end(), affine.zeros, affine.zeros + shape.channels);
  }
  return tile;
}

// Calls run(first element, elements, parameters) over whole rows.
template <typename Run>
void by_rows(const ChannelShape& shape, const ChannelAffine& affine, Run&& run) {
  const Tile tile = make_tile(shape, affine);
  const AffineEach each{tile.scales.data(), tile.zeros.data(), affine.low, affine.high};
  for (size_t row = 0; row < shape.outer; row += tile.rows)
    run(row * shape.channels, std::min(tile.rows, shape.outer - row) * shape.channels, each);
}

// Calls run(first element, parameters) for each run of a channel's elements.
template <typename Run>
void by_channels(const ChannelShape& shape, const ChannelAffine& affine, Run&& run) {
  for (size_t i = 0; i < shape.outer * shape.channels; ++i) {
    const size_t c = i % shape.channels;
    run(i * shape.inner, Affine{affine.scales[c], affine.zeros[c], affine.low, affine.high});
  }
}

std::vector<Range> column_ranges(const float* x, const ChannelShape& shape) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const size_t n = shape.channels;
  std::vector<float> low(n, kInfinity), high(n, -kInfinity);
  std::vector<Range> found(n);
  for (size_t r = 0; r < shape.outer; ++r, x += n) {
    bool all_finite = true;
    for (size_t c = 0; c < n; ++c) {
      const bool finite = std::fabs(x[c]) < kInfinity;
      all_finite &= finite;
      low[c] = finite && x[c] < low[c] ? x[c] : low[c];
      high[c] = finite && x[c] > high[c] ? x[c] : high[c];
    }
    if (all_finite) continue;
    for (size_t c = 0; c < n; ++c) {
      found[c].nans += std::isnan(x[c]);
      found[c].infinities += std::isinf(x[c]);
    }
  }
  for (size_t c = 0; c < n; ++c) {
    if (low[c] > high[c]) continue;
    found[c].min = low[c] + 0.0f;
    found[c].max = high[c] + 0.0f;
  }
  return found;
}

}  // namespace

Outside quantize_channels(const Kernels& kernels, const float* x, const ChannelShape& shape,
                          const ChannelAffine& affine, Storage storage, void* out) {
  Outside outside;
  auto* to = static_cast<char*>(out);
  const size_t bytes = size_of(storage);
  if (shape.size() == 0) return outside;
  if (shape.inner == 1)
    by_rows(shape, affine, [&](size_t first, size_t n, const AffineEach& each) {
      outside.add(kernels.quantize_each(x + first, n, each, storage, to + first * bytes));
    });
  else
    by_channels(shape, affine, [&](size_t first, const Affine& one) {
      outside.add(kernels.quantize(x + first, shape.inner, one, storage, to + first * bytes));
    });
  return outside;
}

void dequantize_channels(const Kernels& kernels, const void* codes, const ChannelShape& shape,
                         const ChannelAffine& affine, Storage storage, float* out) {
  const auto* from = static_cast<const char*>(codes);
  const size_t bytes = size_of(storage);
  if (shape.size() == 0) return;
  if (shape.inner == 1)
    by_rows(shape, affine, [&](size_t first, size_t n, const AffineEach& each) {
      kernels.dequantize_each(from + first * bytes, n, each, storage, out + first);
    });
  else
    by_channels(shape, affine, [&](size_t first, const Affine& one) {
      kernels.dequantize(from + first * bytes, shape.inner, one, storage, out + first);
    });
}

std::vector<Range> channel_ranges(const Kernels& kernels, const float* x,
                                  const ChannelShape& shape) {
  if (shape.inner == 1) return column_ranges(x, shape);
  std::vector<Range> found(shape.channels);
  std::vector<size_t> finite(shape.channels, 0);
  for (size_t i = 0; i < shape.outer * shape.channels; ++i) {
    const size_t c = i % shape.channels;
    const Range run = kernels.range(x + i * shape.inner, shape.inner);
    const size_t run_finite = shape.inner - run.nans - run.infinities;
    found[c] = merge(found[c], run, finite[c], run_finite);
    finite[c] += run_finite;
  }
  return found;
}

}  // namespace spinney::quantize
