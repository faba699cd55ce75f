// Keys that collide in a hash which a file's author knows: 100,000 of them must cost no more than
// others. What is counted are comparisons, which under the multiplicative hashes that these tables
// once had were n * n / 2.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>
#include <vector>

#include "spinney/base/seeded_hash.h"
#include "spinney/cache/lru_index.h"
#include "spinney/kernel/forest/walk/columns.h"
#include "spinney/kernel/forest/walk/shared_rows.h"
#include "spinney/prepare/frequencies.h"
#include "spinney/rank/threshold_set.h"

namespace spinney {
namespace {

constexpr size_t kKeys = 100'000;
constexpr uint64_t kGolden = 0x9E3779B97F4A7C15u;

// golden * inverse = 1 modulo 2^64, by Newton's iteration.
constexpr uint64_t inverse_of(uint64_t odd) {
  uint64_t inverse = odd;
  for (int i = 0; i < 6; ++i) inverse *= 2 - odd * inverse;
  return inverse;
}
static_assert(kGolden * inverse_of(kGolden) == 1);

// Doubles whose bits, multiplied by the golden ratio, are what `product` makes of 1, 2, 3 …
template <typename Product>
std::vector<double> doubles_of(Product&& product) {
  std::vector<double> doubles;
  for (uint64_t i = 1; doubles.size() < kKeys; ++i) {
    const auto value = std::bit_cast<double>(product(i) * inverse_of(kGolden));
    if (std::isfinite(value) && value != 0) doubles.push_back(value);
  }
  return doubles;
}

// The set's hash was that product's upper half, which is 0 of all of these.
TEST(CollidingKeys, Thresholds) {
  rank::ThresholdSet set;
  for (const double threshold : doubles_of([](uint64_t i) { return i; })) set.add(threshold);
  EXPECT_EQ(set.size(), kKeys);
  EXPECT_LT(set.displacement(), 4 * kKeys);
  EXPECT_EQ(set.take_sorted().size(), kKeys);
}

// The rows' hash was the product's halves, exclusive or. Each row comes twice, so that half of them
// can be shared.
TEST(CollidingKeys, LeafRows) {
  const std::vector<double> rows = doubles_of([](uint64_t i) { return i << 32 | i; });
  ForestParts parts;
  parts.settings.n_features = 1;
  parts.base = {0};
  for (uint32_t i = 0; i < 2 * kKeys; ++i) {
    parts.leaf_values.push_back(rows[i % kKeys]);
    parts.nodes.push_back(Node::leaf(i, 0));
    parts.tree_begin.push_back(i + 1);
    parts.tree_target.push_back(0);
  }
  const Forest forest = make_forest(std::move(parts)).value();
  const auto shared = kernel::walk::share_rows(forest);
  ASSERT_EQ(shared.places.size(), 2 * kKeys);
  EXPECT_EQ(shared.values.size(), kKeys);
  EXPECT_LT(shared.comparisons, 8 * kKeys);
}

// How many buckets the standard library takes for n keys, one after the other.
uint64_t buckets_for(size_t n) {
  std::unordered_map<uint64_t, int> keys;
  for (uint64_t i = 0; i < n; ++i) keys[i] = 0;
  return keys.bucket_count();
}

// Features whose number, shifted and multiplied, leaves no remainder by the number of buckets.
TEST(CollidingKeys, Columns) {
  constexpr size_t kColumns = 5000;
  const uint64_t buckets = buckets_for(kColumns);
  ForestParts parts;
  parts.settings.n_features = UINT32_MAX;
  parts.base = {0};
  parts.leaf_values = {1, 2};
  for (uint64_t feature = 0; parts.tree_target.size() < kColumns; ++feature) {
    if (feature * 8 * kGolden % buckets != 0) continue;
    ASSERT_LT(feature, UINT32_MAX);
    Node root;
    root.feature = static_cast<uint32_t>(feature);
    root.left = 1;
    root.right = 2;
    parts.nodes.insert(parts.nodes.end(), {root, Node::leaf(0, 1), Node::leaf(1, 2)});
    parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
    parts.tree_target.push_back(0);
  }
  const Forest forest = make_forest(std::move(parts)).value();
  const kernel::walk::Columns columns(forest);
  EXPECT_EQ(columns.count(), kColumns + 1);
  EXPECT_LT(columns.fullest_bucket(), 20u);
}

// Objects' own hashes, those of Python's integers say, are theirs to choose.
TEST(CollidingKeys, CacheEntries) {
  cache::LruIndex index;
  std::vector<cache::LruEntry> entries(kKeys);
  for (size_t i = 0; i < kKeys; ++i) {
    entries[i].hash = (i + 1) * inverse_of(kGolden);
    index.insert(&entries[i]);
  }
  size_t longest = 0;
  for (size_t i = 0; i < kKeys; i += 97) {
    size_t length = 0;
    for (auto* at = index.first(entries[i].hash); at; at = at->chain) ++length;
    longest = std::max(longest, length);
  }
  EXPECT_LT(longest, 100u);
}

// Bits that leave the same remainder by the number of buckets.
TEST(CollidingKeys, FrequenciesOfValues) {
  constexpr uint64_t kValues = 20'000;
  const uint64_t buckets = buckets_for(kValues);
  prepare::Frequencies frequencies(kValues);
  const auto first = std::bit_cast<uint64_t>(1.0) / buckets * buckets + buckets;
  for (uint64_t i = 0; i < kValues; ++i)
    frequencies.add(std::bit_cast<double>(first + i * buckets));
  const auto& counts = frequencies.counts();
  ASSERT_EQ(counts.size(), kValues);
  size_t fullest = 0;
  for (size_t b = 0; b < counts.bucket_count(); ++b)
    fullest = std::max(fullest, counts.bucket_size(b));
  EXPECT_LT(fullest, 50u);
}

TEST(SeededHash, IsOfThisProcessAndOfTheBytes) {
  EXPECT_EQ(random_seed(), random_seed());
  const char text[] = "abc";
  EXPECT_EQ(seeded_hash(text, 3), seeded_hash("abcd", 3));
  EXPECT_NE(seeded_hash(text, 3), seeded_hash(text, 2));
}

}  // namespace
}  // namespace spinney
