// numpy's .npy file, of numbers, texts or records, as a view of its elements.
#pragma once

#include <span>

#include "spinney/base/result.h"
#include "spinney/load/pickle/record.h"

namespace spinney::load::skops {

// `bytes` must outlive the array. Refused: objects, which numpy would pickle, and a file whose size
// is not exactly what its header says.
Result<NdArray> read_npy(std::span<const char> bytes);

}  // namespace spinney::load::skops
