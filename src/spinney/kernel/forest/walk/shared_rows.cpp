#include "spinney/kernel/forest/walk/shared_rows.h"

#include <bit>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "spinney/base/seeded_hash.h"

namespace spinney::kernel::walk {
namespace {

// Below this a forest's leaf rows stay in the nearest caches anyway.
constexpr size_t kRowsMin = 4096;

}  // namespace

SharedRows share_rows(const Forest& forest) {
  const size_t width = forest.settings().leaf_width, n_rows = forest.n_leaf_rows();
  const size_t most = n_rows / 2;
  if (n_rows < kRowsMin || !forest.linear_leaves.empty() ||
      forest.settings().reduction != Reduction::kSum)
    return {};
  const uint64_t seed = random_seed();  // the file says what the rows are
  const size_t bytes = width * sizeof(double);
  SharedRows shared;
  shared.places.resize(n_rows);
  std::vector<uint32_t> table(std::bit_ceil(2 * most), UINT32_MAX);  // open addressing, half full
  for (size_t i = 0; i < n_rows; ++i) {
    const double* row = forest.leaf_values.data() + i * width;
    size_t at = XXH3_64bits_withSeed(row, bytes, seed) & (table.size() - 1);
    while (table[at] != UINT32_MAX &&
           std::memcmp(row, shared.values.data() + table[at] * width, bytes) != 0) {
      at = (at + 1) & (table.size() - 1);
      ++shared.comparisons;
    }
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
