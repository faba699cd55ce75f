// Forests whose leaves are small integers, as a quantized forest's are.
#pragma once

#include <cstddef>

#include "spinney/model/forest.h"

namespace spinney::kernel {

// How many bytes hold each leaf value of the forest: 1 for integers of at most 127, 2 of at most
// 32,767. 0 unless all are, and unless every sum that can come about is exact in the accumulator,
// so that adding integers in any order gives the forest's own bits.
size_t code_bytes_for(const Forest& forest);

}  // namespace spinney::kernel
