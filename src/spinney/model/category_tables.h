// CategoryTables: columns that a model computes of a row's categories before its trees see them
// (CatBoost).
//
// A category comes as the hash of its text, a whole number below 2^32, in the place of its column.
// The trees' columns are the row's own, rounded to float32, then one for each equality (1 where the
// row has that category, else 0), then one for each count: how often the training saw the row's
// categories, and with which target. Everything is looked up by and added in the library's own way.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/base/shared_array.h"
#include "spinney/model/rows.h"

namespace spinney {

struct CategoryEquals {
  uint32_t column = 0;
  uint32_t hash = 0;
};

// Whether a number is above a border, which is hashed beside categories.
struct NumberAbove {
  uint32_t column = 0;
  float border = 0;
  uint32_t missing_is_above = 0;  // 0 or 1
};

// What is hashed together: runs of columns, of tests of numbers and of equalities.
struct Projection {
  uint32_t first_column = 0, column_count = 0;
  uint32_t first_above = 0, above_count = 0;
  uint32_t first_equals = 0, equals_count = 0;
};

enum class CountKind : uint32_t {
  kBorders = 0,    // of targets above a border, among all
  kBuckets = 1,    // of one target, among all
  kMean = 2,       // a sum of targets, by their number
  kFloatMean = 3,  // the same
  kCounter = 4,    // of rows, by a number that all share
  kFrequency = 5,  // the same
};

// A place of a hash table with open addressing; kNoHash: nothing lies there.
inline constexpr uint64_t kNoHash = ~uint64_t{0};
struct CountBucket {
  uint64_t hash = kNoHash;
  uint32_t row = 0;
  uint32_t unused = 0;
};

// Counts of every hash that the training saw of a projection.
struct CountTable {
  uint64_t first_bucket = 0, bucket_count = 0;  // a power of two
  uint64_t first_word = 0, row_count = 0;       // rows of `width` words
  uint32_t width = 0;
  uint32_t projection = 0;
  CountKind kind = CountKind::kBorders;
  int32_t denominator = 0;
};

// One column: ((count + prior) / (total + prior_denominator) + shift) * scale, in float32.
struct Count {
  uint32_t table = 0;
  uint32_t target = 0;  // kBorders: the last target that is not above; kBuckets: the one counted
  float prior = 0, prior_denominator = 1, shift = 0, scale = 1;
};

struct CategoryTables {
  uint32_t n_inputs = 0;                      // columns of a row
  SharedArray<uint32_t> categories;           // those that hold hashes, ascending
  SharedArray<CategoryEquals> equals;         // columns n_inputs and on
  SharedArray<CategoryEquals> hashed_equals;  // of projections
  SharedArray<NumberAbove> above;
  SharedArray<uint32_t> columns;  // of projections: places in `categories`
  SharedArray<Projection> projections;
  SharedArray<CountTable> tables;
  SharedArray<CountBucket> buckets;
  SharedArray<uint32_t> words;  // int32 counts; of means a float32 and an int32
  SharedArray<Count> counts;    // the last columns

  size_t width() const { return n_inputs + equals.size() + counts.size(); }
  size_t bytes() const;
  // The trees' columns of n rows from the first on: n times width() numbers. rows is float64 where
  // there are categories, since float32 does not hold their hashes.
  void encode(const Rows& rows, size_t first, size_t n, float* out) const;
};

// Every index and size is within its array, hash tables have an empty place, so that a search ends.
Status check_category_tables(const CategoryTables& tables);

}  // namespace spinney
