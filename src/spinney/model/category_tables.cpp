#include "spinney/model/category_tables.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

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

// One row's cells as they are given.
struct Cells {
  const Rows& rows;
  size_t row;
  double operator[](size_t column) const { return rows.at(row, column); }
};

uint64_t hash_of(const CategoryTables& t, const Projection& p, const Cells& cells) {
  uint64_t hash = 0;
  for (uint32_t i = 0; i < p.column_count; ++i) {
    const uint32_t category = hash_in(cells[t.columns[p.first_column + i]]);
    hash =
        hash_on(hash, static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(category))));
  }
  for (uint32_t i = 0; i < p.above_count; ++i) {
    const NumberAbove& test = t.above[p.first_above + i];
    hash = hash_on(hash, is_above(test, cells[test.column]));
  }
  for (uint32_t i = 0; i < p.equals_count; ++i) {
    const CategoryEquals& test = t.hashed_equals[p.first_equals + i];
    hash = hash_on(hash, hash_in(cells[test.column]) == test.hash);
  }
  return hash;
}

uint32_t find(const CategoryTables& t, const CountTable& table, uint64_t hash) {
  if (hash == kNoHash) return kNotFound;
  const CountBucket* const buckets = t.buckets.data() + table.first_bucket;
  const uint64_t mask = table.bucket_count - 1;
  for (uint64_t at = hash & mask; buckets[at].hash != kNoHash; at = (at + 1) & mask)
    if (buckets[at].hash == hash) return buckets[at].row;
  return kNotFound;
}

float counted(const Count& count, float number, float total) {
  const float share = (number + count.prior) / (total + count.prior_denominator);
  return (share + count.shift) * count.scale;
}

// Counts are added as 32-bit integers, as they would wrap in the library as well.
float value_of(const CategoryTables& t, const Count& count, uint32_t row) {
  const CountTable& table = t.tables[count.table];
  const bool found = row != kNotFound;
  const uint32_t* words = t.words.data() + table.first_word + (found ? row : 0) * table.width;
  const auto integer = [](uint32_t word) { return static_cast<float>(static_cast<int32_t>(word)); };
  switch (table.kind) {
    case CountKind::kMean:
    case CountKind::kFloatMean:
      if (!found) return counted(count, 0, 0);
      return counted(count, std::bit_cast<float>(words[0]), integer(words[1]));
    case CountKind::kCounter:
    case CountKind::kFrequency: {
      const auto all = static_cast<float>(table.denominator);
      return counted(count, found ? integer(words[0]) : 0, all);
    }
    default:
      break;
  }
  if (!found) return counted(count, 0, 0);
  uint32_t total = 0, good = 0;
  for (uint32_t target = 0; target < table.width; ++target) {
    total += words[target];
    const bool counts = table.kind == CountKind::kBuckets ? target == count.target
                        : table.width == 2                ? target == 1
                                                          : target > count.target;
    if (counts) good += words[target];
  }
  return counted(count, integer(good), integer(total));
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

void CategoryTables::encode(const Rows& rows, size_t first, size_t n, float* out) const {
  for (size_t r = 0; r < n; ++r) {
    const Cells cells{rows, first + r};
    for (size_t c = 0; c < n_inputs; ++c) *out++ = static_cast<float>(cells[c]);
    for (const CategoryEquals& test : equals)
      *out++ = hash_in(cells[test.column]) == test.hash ? 1.0f : 0.0f;
    // Columns of one table, and tables of one projection, lie together.
    uint32_t projection = kNotFound, table = kNotFound, row = kNotFound;
    uint64_t hash = 0;
    for (const Count& count : counts) {
      if (count.table != table) {
        table = count.table;
        if (tables[table].projection != projection) {
          projection = tables[table].projection;
          hash = hash_of(*this, projections[projection], cells);
        }
        row = find(*this, tables[table], hash);
      }
      *out++ = value_of(*this, count, row);
    }
  }
}

Status check_category_tables(const CategoryTables& t) {
  const auto outside = [&](uint32_t column) { return column >= t.n_inputs; };
  if (std::any_of(t.categories.begin(), t.categories.end(), outside) ||
      std::any_of(t.columns.begin(), t.columns.end(), outside) ||
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
