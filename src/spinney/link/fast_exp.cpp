#include "spinney/link/fast_exp.h"

namespace spinney::link {
namespace {

std::array<uint64_t, (1u << kFastExpBits)> make_table() {
  constexpr uint64_t kFraction = (uint64_t{1} << 52) - 1;
  std::array<uint64_t, (1u << kFastExpBits)> table{};
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = std::bit_cast<uint64_t>(
                   std::pow(2.0, static_cast<double>(i) / static_cast<double>(table.size()))) &
               kFraction;
  return table;
}

}  // namespace

const std::array<uint64_t, (1u << kFastExpBits)> kFastExpTable = make_table();

}  // namespace spinney::link
