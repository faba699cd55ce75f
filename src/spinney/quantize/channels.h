// Arrays whose channels have parameters of their own: outer x channels x inner elements, in C
// order. inner is 1 where the channel is the last axis.
#pragma once

#include <vector>

#include "spinney/quantize/kernels.h"

namespace spinney::quantize {

struct ChannelShape {
  size_t outer = 1, channels = 1, inner = 1;
  size_t size() const { return outer * channels * inner; }
};

struct ChannelAffine {
  const float* scales;   // one per channel
  const int32_t* zeros;  // one per channel, within [low, high]
  int32_t low, high;
};

Outside quantize_channels(const Kernels& kernels, const float* x, const ChannelShape& shape,
                          const ChannelAffine& affine, Storage storage, void* out);
void dequantize_channels(const Kernels& kernels, const void* codes, const ChannelShape& shape,
                         const ChannelAffine& affine, Storage storage, float* out);
std::vector<Range> channel_ranges(const Kernels& kernels, const float* x,
                                  const ChannelShape& shape);

}  // namespace spinney::quantize
