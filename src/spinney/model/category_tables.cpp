#include "spinney/model/category_tables.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace spinney {
namespace {

constexpr uint32_t kNotFound = UINT32_MAX;

uint64_t hash_on(uint64_t hash, uint64_t value) {
  constexpr uint64_t kFactor = 0x4906ba494954cb65;
  return kFactor * (hash + kFactor * value);
}

uint32_t hash_in(double cell) {
  return cell >= 0 && cell < 4294967296.0 ? static_cast<uint32_t>(cell) : 0;
}

bool is_above(const NumberAbove& test, double cell) {
  const auto value = static_cast<float>(cell);
  return std::isnan(value) ? test.missing_is_above != 0 : value > test.border;
}

// Rows that are encoded together, and look-ups that are fetched from memory side by side.
constexpr size_t kBlock = 64, kTogether = 256;

struct Block {
  const Rows& rows;
  size_t first, count;
  const uint64_t* categories;  // of each column of them, as they are hashed: `count` numbers
  double cell(size_t r, size_t column) const { return rows.at(first + r, column); }
};

void hash_block(const CategoryTables& t, const Projection& p, const Block& block,
                uint64_t* hashes) {
  std::fill_n(hashes, block.count, uint64_t{0});
  for (uint32_t i = 0; i < p.column_count; ++i) {
    const uint64_t* categories = block.categories + t.columns[p.first_column + i] * block.count;
    for (size_t r = 0; r < block.count; ++r) hashes[r] = hash_on(hashes[r], categories[r]);
  }
  for (uint32_t i = 0; i < p.above_count; ++i) {
    const NumberAbove& test = t.above[p.first_above + i];
    for (size_t r = 0; r < block.count; ++r)
      hashes[r] = hash_on(hashes[r], is_above(test, block.cell(r, test.column)));
  }
  for (uint32_t i = 0; i < p.equals_count; ++i) {
    const CategoryEquals& test = t.hashed_equals[p.first_equals + i];
    for (size_t r = 0; r < block.count; ++r)
      hashes[r] = hash_on(hashes[r], hash_in(block.cell(r, test.column)) == test.hash);
  }
}

uint32_t find(const CategoryTables& t, const CountTable& table, uint64_t hash) {
  if (hash == kNoHash) return kNotFound;
  const CountBucket* const buckets = t.buckets.data() + table.first_bucket;
  const uint64_t mask = table.bucket_count - 1;
  for (uint64_t at = hash & mask; buckets[at].hash != kNoHash; at = (at + 1) & mask)
    if (buckets[at].hash == hash) return buckets[at].row;
  return kNotFound;
}

float integer(uint32_t word) { return static_cast<float>(static_cast<int32_t>(word)); }

// What is counted, and among how many, of a block's rows.
struct Shares {
  float number[kBlock], total[kBlock];
};

// Tables [first, first + count): hashes of a block's rows for each, and where their counts lie.
void find_tables(const CategoryTables& t, size_t first, size_t count, const Block& block,
                 uint64_t* hashes, uint32_t* found) {
  for (size_t i = 0; i < count; ++i) {
    const CountTable& table = t.tables[first + i];
    uint64_t* const own = hashes + i * block.count;
    if (i > 0 && table.projection == t.tables[first + i - 1].projection)
      std::copy_n(own - block.count, block.count, own);
    else
      hash_block(t, t.projections[table.projection], block, own);
    const CountBucket* const buckets = t.buckets.data() + table.first_bucket;
    for (size_t r = 0; r < block.count; ++r)
      __builtin_prefetch(buckets + (own[r] & (table.bucket_count - 1)));
  }
  for (size_t i = 0; i < count; ++i) {
    const CountTable& table = t.tables[first + i];
    for (size_t r = 0; r < block.count; ++r) {
      const uint32_t row = find(t, table, hashes[i * block.count + r]);
      found[i * block.count + r] = row;
      if (row != kNotFound)
        __builtin_prefetch(t.words.data() + table.first_word + uint64_t{row} * table.width);
    }
  }
}

// Counts are added as 32-bit integers, as they would wrap in the library as well.
void share_of_targets(const CountTable& table, uint32_t target, const uint32_t* words,
                      float& number, float& total) {
  uint32_t all = 0, good = 0;
  for (uint32_t i = 0; i < table.width; ++i) {
    all += words[i];
    const bool counts = table.kind == CountKind::kBuckets ? i == target
                        : table.width == 2                ? i == 1
                                                          : i > target;
    if (counts) good += words[i];
  }
  number = integer(good);
  total = integer(all);
}

// Rows whose categories the training did not see count nothing.
void share_block(const CategoryTables& t, const CountTable& table, uint32_t target,
                 const uint32_t* found, size_t count, Shares& shares) {
  const bool fixed = table.kind == CountKind::kCounter || table.kind == CountKind::kFrequency;
  const bool mean = table.kind == CountKind::kMean || table.kind == CountKind::kFloatMean;
  for (size_t r = 0; r < count; ++r) {
    shares.number[r] = 0;
    shares.total[r] = fixed ? static_cast<float>(table.denominator) : 0;
    if (found[r] == kNotFound) continue;
    const uint32_t* words = t.words.data() + table.first_word + uint64_t{found[r]} * table.width;
    if (fixed) {
      shares.number[r] = integer(words[0]);
    } else if (mean) {
      shares.number[r] = std::bit_cast<float>(words[0]);
      shares.total[r] = integer(words[1]);
    } else {
      share_of_targets(table, target, words, shares.number[r], shares.total[r]);
    }
  }
}

Status wrong(const std::string& what) { return corrupt("the model's categories: " + what); }

template <typename T>
bool within(uint64_t first, uint64_t count, const SharedArray<T>& array) {
  return first <= array.size() && count <= array.size() - first;
}

Status check_projection(const CategoryTables& t, const Projection& p) {
  if (within(p.first_column, p.column_count, t.columns) &&
      within(p.first_above, p.above_count, t.above) &&
      within(p.first_equals, p.equals_count, t.hashed_equals))
    return {};
  return wrong("what is hashed together lies outside what is stored");
}

Status check_table(const CategoryTables& t, const CountTable& table) {
  const bool targets = table.kind <= CountKind::kBuckets;
  const bool mean = table.kind == CountKind::kMean || table.kind == CountKind::kFloatMean;
  if (table.kind > CountKind::kFrequency) return wrong("counts are of an unknown kind");
  if (table.projection >= t.projections.size()) return wrong("counts are of no projection");
  if (targets ? table.width < 2 : table.width != (mean ? 2u : 1u))
    return wrong("counts have " + std::to_string(table.width) + " numbers each");
  if (!std::has_single_bit(table.bucket_count) ||
      !within(table.first_bucket, table.bucket_count, t.buckets))
    return wrong("a hash table of " + std::to_string(table.bucket_count) +
                 " places is no power of two, or lies outside what is stored");
  if (table.row_count > t.words.size() / table.width ||
      !within(table.first_word, table.row_count * table.width, t.words))
    return wrong("counts lie outside what is stored");
  bool has_end = false;
  for (uint64_t i = 0; i < table.bucket_count; ++i) {
    const CountBucket& bucket = t.buckets[table.first_bucket + i];
    if (bucket.hash == kNoHash) {
      has_end = true;
    } else if (bucket.row >= table.row_count) {
      return wrong("a hash leads to counts " + std::to_string(bucket.row) + " of " +
                   std::to_string(table.row_count));
    }
  }
  if (!has_end) return wrong("a hash table has no empty place, so that a search would not end");
  return {};
}

Status check_counts(const CategoryTables& t) {
  for (const Count& count : t.counts) {
    if (count.table >= t.tables.size()) return wrong("a column is of no table of counts");
    const CountTable& table = t.tables[count.table];
    const uint32_t most = table.kind == CountKind::kBuckets   ? table.width - 1
                          : table.kind == CountKind::kBorders ? table.width - 2
                                                              : UINT32_MAX;
    if (count.target > most)
      return wrong("target " + std::to_string(count.target) + " of " + std::to_string(table.width) +
                   " is counted");
  }
  return {};
}

}  // namespace

size_t CategoryTables::bytes() const {
  return categories.bytes() + equals.bytes() + hashed_equals.bytes() + above.bytes() +
         columns.bytes() + projections.bytes() + tables.bytes() + buckets.bytes() + words.bytes() +
         counts.bytes();
}

// Columns are in the order of their tables where a reader lays them so; any order is right.
static void encode_counts(const CategoryTables& t, const Block& block, size_t width, float* out) {
  uint64_t hashes[kTogether];
  uint32_t found[kTogether];
  Shares shares;
  float values[kBlock];
  const size_t together = kTogether / block.count;
  size_t first = 0, behind = 0;  // tables whose rows are found
  uint32_t table = kNotFound, target = kNotFound;
  for (const Count& count : t.counts) {
    if (count.table < first || count.table >= behind) {
      first = count.table;
      behind = std::min(first + together, t.tables.size());
      find_tables(t, first, behind - first, block, hashes, found);
    }
    if (count.table != table || count.target != target)
      share_block(t, t.tables[count.table], count.target,
                  found + (count.table - first) * block.count, block.count, shares);
    table = count.table;
    target = count.target;
    for (size_t r = 0; r < block.count; ++r)
      values[r] = ((shares.number[r] + count.prior) / (shares.total[r] + count.prior_denominator) +
                   count.shift) *
                  count.scale;
    for (size_t r = 0; r < block.count; ++r) out[r * width] = values[r];
    ++out;
  }
}

void CategoryTables::encode(const Rows& rows, size_t first, size_t n, float* out) const {
  const size_t row_width = width();
  static thread_local std::vector<uint64_t> hashed;
  if (hashed.size() < categories.size() * kBlock) hashed.resize(categories.size() * kBlock);
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const Block block{rows, first + begin, std::min(kBlock, n - begin), hashed.data()};
    for (size_t i = 0; i < categories.size(); ++i)
      for (size_t r = 0; r < block.count; ++r) {
        const auto category = static_cast<int32_t>(hash_in(block.cell(r, categories[i])));
        hashed[i * block.count + r] = static_cast<uint64_t>(int64_t{category});
      }
    float* const at = out + begin * row_width;
    for (size_t r = 0; r < block.count; ++r) {
      float* to = at + r * row_width;
      for (size_t c = 0; c < n_inputs; ++c) *to++ = static_cast<float>(block.cell(r, c));
      for (const CategoryEquals& test : equals)
        *to++ = hash_in(block.cell(r, test.column)) == test.hash ? 1.0f : 0.0f;
    }
    encode_counts(*this, block, row_width, at + n_inputs + equals.size());
  }
}

Status check_category_tables(const CategoryTables& t) {
  const auto outside = [&](uint32_t column) { return column >= t.n_inputs; };
  if (std::any_of(t.categories.begin(), t.categories.end(), outside) ||
      std::any_of(t.columns.begin(), t.columns.end(),
                  [&](uint32_t place) { return place >= t.categories.size(); }) ||
      std::any_of(t.equals.begin(), t.equals.end(),
                  [&](const auto& test) { return outside(test.column); }) ||
      std::any_of(t.hashed_equals.begin(), t.hashed_equals.end(),
                  [&](const auto& test) { return outside(test.column); }) ||
      std::any_of(t.above.begin(), t.above.end(),
                  [&](const auto& test) { return outside(test.column); }))
    return wrong("they are of a column beyond the " + std::to_string(t.n_inputs) + " of a row");
  if (std::adjacent_find(t.categories.begin(), t.categories.end(), std::greater_equal<>()) !=
      t.categories.end())
    return wrong("their columns do not ascend");
  for (const Projection& projection : t.projections) SPINNEY_TRY(check_projection(t, projection));
  for (const CountTable& table : t.tables) SPINNEY_TRY(check_table(t, table));
  return check_counts(t);
}

}  // namespace spinney
