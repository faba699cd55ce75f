// Which instruction sets this CPU and operating system offer, as levels that contain each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "spinney/base/result.h"

namespace spinney::cpu {

enum class Isa : uint8_t {
  kScalar = 0,
  kAvx2 = 1,        // AVX2, BMI1, BMI2, FMA, F16C
  kAvx512 = 2,      // AVX-512 F, BW, CD, DQ, VL (Skylake server and later)
  kAvx512Vbmi = 3,  // and VBMI, VBMI2 (Ice Lake, Zen 4 and later)
};

std::string_view name(Isa isa);
std::optional<Isa> parse_isa(std::string_view text);

// The best level that this CPU runs.
Isa detected_isa();
// detected_isa(), or less where the environment variable SPINNEY_ISA asks for less.
// Read once, at first use.
Isa usable_isa();
// An error if SPINNEY_ISA is set to something that is not a level's name (which usable_isa()
// ignores), so that a misspelt cap does not go unnoticed.
Status check_isa_request();

}  // namespace spinney::cpu
