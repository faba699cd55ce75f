#include "spinney/cpu/features.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "spinney/base/at_load.h"

namespace spinney::cpu {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"scalar", "avx2", "avx512", "avx512vbmi"};

Isa detect() {
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks the operating system whether it saves the registers.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
  if (!avx2) return Isa::kScalar;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (!avx512) return Isa::kAvx2;
  const bool vbmi = __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
  return vbmi ? Isa::kAvx512Vbmi : Isa::kAvx512;
#else
  return Isa::kScalar;
#endif
}

}  // namespace

std::string_view name(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

std::optional<Isa> parse_isa(std::string_view text) {
  const auto found = std::find(kNames.begin(), kNames.end(), text);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Isa>(found - kNames.begin());
}

Isa detected_isa() {
  static const Isa isa = detect();
  return isa;
}

Isa usable_isa() {
  static const Isa isa = [] {
    const char* asked = std::getenv("SPINNEY_ISA");
    const std::optional<Isa> cap = asked ? parse_isa(asked) : std::nullopt;
    return cap ? std::min(*cap, detected_isa()) : detected_isa();
  }();
  return isa;
}
namespace {
const AtLoad kUsable{&usable_isa};
}

Status check_isa_request() {
  const char* asked = std::getenv("SPINNEY_ISA");
  if (!asked || !*asked || parse_isa(asked)) return {};
  std::string names;
  for (const std::string_view known : kNames)
    names += (names.empty() ? "" : ", ") + std::string(known);
  return invalid_argument("SPINNEY_ISA=" + std::string(asked) +
                          " is not an instruction set; use one of " + names);
}

}  // namespace spinney::cpu
