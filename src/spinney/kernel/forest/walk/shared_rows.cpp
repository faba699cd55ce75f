#include "spinney/kernel/forest/walk/shared_rows.h"

#include <bit>
#include <cstring>

namespace spinney::kernel::walk {
namespace {

// Below this a forest's leaf rows stay in the nearest caches anyway.
constexpr size_t kRowsMin = 4096;

uint64_t hash_of(const double* row, size_t width) {
  uint64_t hash = 0;
  for (size_t k = 0; k < width; ++k) {
    hash = (hash ^ std::bit_cast<uint64_t>(row[k])) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

SharedRows share_rows(const Forest& forest) {
  const size_t width = forest.settings().leaf_width, n_rows = forest.n_leaf_rows();
  const size_t most = n_rows / 2;
  if (n_rows < kRowsMin || !forest.linear_leaves.empty() ||
      forest.settings().reduction != Reduction::kSum)
    return {};
  SharedRows shared;
  shared.places.resize(n_rows);
  std::vector<uint32_t> table(std::bit_ceil(2 * most), UINT32_MAX);  // open addressing, half full
  for (size_t i = 0; i < n_rows; ++i) {
    const double* row = forest.leaf_values.data() + i * width;
    size_t at = hash_of(row, width) & (table.size() - 1);
    while (table[at] != UINT32_MAX &&
           std::memcmp(row, shared.values.data() + table[at] * width, width * sizeof(double)) != 0)
      at = (at + 1) & (table.size() - 1);
    if (table[at] == UINT32_MAX) {
      const size_t count = shared.values.size() / width;
      if (count == most) return {};
      table[at] = static_cast<uint32_t>(count);
      shared.values.insert(shared.values.end(), row, row + width);
    }
    shared.places[i] = table[at];
  }
  return shared;
}

}  // namespace spinney::kernel::walk
