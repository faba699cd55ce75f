// Quantization: what turns sums of a quantized model's codes into its scores.
//
// A quantized forest or linear model is an ordinary one whose leaf values or weights are codes:
// small integers (or halves), which its accumulator adds exactly and in any order. Its scores are
//
//   offsets[k] + scales[k] * sum[k]
//
// in float64, rounded to score_type. Base scores, intercepts, divisors and the middle of each
// tree's leaves are in the offsets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/rows.h"

namespace spinney {

// What a leaf or weight is stored in. Numbers are stored in artifacts: append only.
enum class CodeType : uint8_t { kInt8 = 0, kInt16 = 1, kFloat16 = 2 };

inline size_t size_of(CodeType type) { return type == CodeType::kInt8 ? 1 : 2; }
// The largest code; codes are symmetric. kFloat16 has no such limit.
inline int code_max(CodeType type) { return type == CodeType::kInt8 ? 127 : 32767; }

struct Quantization {
  CodeType type = CodeType::kInt8;
  NumberType score_type = NumberType::kFloat32;  // of the raw scores, as before quantizing
  std::vector<double> scales, offsets;           // one per output
  // No row's raw score k differs from the original model's by more than this: the sum over trees
  // of the largest error of a leaf, and of what rounding may add. Empty for linear models, whose
  // error depends on the size of the inputs.
  std::vector<double> bounds;
};

// Codes in the bytes of their type, and back; kCorrupt for halves that are not finite.
std::vector<char> pack_codes(CodeType type, std::span<const double> codes);
Result<std::vector<double>> unpack_codes(CodeType type, std::span<const char> bytes);

// kCorrupt unless there is one finite scale and offset an output, and bounds are none or as many.
Status check_quantization(const Quantization& quantization, size_t n_outputs);

}  // namespace spinney
