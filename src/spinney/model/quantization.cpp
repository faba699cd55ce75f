#include "spinney/model/quantization.h"

#include <cmath>
#include <cstring>
#include <string>

#include "spinney/base/half.h"

namespace spinney {
namespace {

// A code of kFloat16 is the value itself, which a half holds exactly.
uint16_t half_bits(double code) { return half_of(static_cast<float>(code)); }

}  // namespace

std::vector<char> pack_codes(CodeType type, std::span<const double> codes) {
  std::vector<char> bytes(codes.size() * size_of(type));
  for (size_t i = 0; i < codes.size(); ++i) {
    if (type == CodeType::kInt8) {
      bytes[i] = static_cast<char>(static_cast<int8_t>(codes[i]));
      continue;
    }
    const uint16_t code = type == CodeType::kFloat16
                              ? half_bits(codes[i])
                              : static_cast<uint16_t>(static_cast<int16_t>(codes[i]));
    std::memcpy(bytes.data() + 2 * i, &code, 2);
  }
  return bytes;
}

Result<std::vector<double>> unpack_codes(CodeType type, std::span<const char> bytes) {
  std::vector<double> codes(bytes.size() / size_of(type));
  for (size_t i = 0; i < codes.size(); ++i) {
    if (type == CodeType::kInt8) {
      codes[i] = static_cast<int8_t>(bytes[i]);
      continue;
    }
    uint16_t code;
    std::memcpy(&code, bytes.data() + 2 * i, 2);
    if (type == CodeType::kFloat16 && !half_is_finite(code))
      return corrupt("quantized weight " + std::to_string(i) + " is not finite");
    codes[i] = type == CodeType::kFloat16 ? half_value(code) : static_cast<int16_t>(code);
  }
  return codes;
}

Status check_quantization(const Quantization& quantization, size_t n_outputs) {
  if (quantization.scales.size() != n_outputs || quantization.offsets.size() != n_outputs)
    return corrupt("the quantized model has " + std::to_string(quantization.scales.size()) +
                   " scales and " + std::to_string(quantization.offsets.size()) + " offsets for " +
                   std::to_string(n_outputs) + " outputs");
  if (!quantization.bounds.empty() && quantization.bounds.size() != n_outputs)
    return corrupt("the quantized model has " + std::to_string(quantization.bounds.size()) +
                   " error bounds for " + std::to_string(n_outputs) + " outputs");
  for (size_t k = 0; k < n_outputs; ++k)
    if (!std::isfinite(quantization.scales[k]) || !std::isfinite(quantization.offsets[k]))
      return corrupt("the quantized model's output " + std::to_string(k) + " has the scale " +
                     std::to_string(quantization.scales[k]) + " and the offset " +
                     std::to_string(quantization.offsets[k]));
  for (const double bound : quantization.bounds)
    if (!(bound >= 0)) return corrupt("the quantized model has a negative error bound, or NaN");
  return {};
}

}  // namespace spinney
