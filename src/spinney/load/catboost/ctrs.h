// CatBoost's counts of categories (CTRs) as its files have them, and the CategoryTables they
// become.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/document/document.h"
#include "spinney/model/category_tables.h"

namespace spinney::load::catboost {

struct Tables;

// Categories that are hashed together with tests of numbers and categories, by the numbers that
// features have among those of their kind.
struct Combination {
  std::vector<int32_t> categories;
  std::vector<std::pair<int32_t, float>> above;
  std::vector<std::pair<int32_t, int32_t>> equals;
  bool operator==(const Combination&) const = default;
};

// It as bytes, which are equal where it is: files may hold many.
std::string key_of(const Combination& combination);

struct CtrFeature {
  Combination combination;
  CountKind kind = CountKind::kBorders;
  int32_t classifier = 0;  // which of several targets is counted
  int64_t target = 0;
  float prior = 0, prior_denominator = 1, shift = 0, scale = 1;
  std::vector<float> borders;
};

struct CtrTable {
  Combination combination;
  CountKind kind = CountKind::kBorders;
  int32_t classifier = 0;  // which of several targets is counted
  std::vector<CountBucket> buckets;
  std::vector<uint32_t> words;
  int32_t denominator = 0;
  int64_t n_classes = 0;
};

// Values of a categorical feature that trees test for, by its number among those.
struct OneHotFeature {
  int64_t index = -1;
  std::vector<int32_t> values;
};

// The columns that trees test, of rows of so many.
Result<CategoryTables> make_category_tables(const Tables& tables, uint32_t n_inputs);

// Of JSON: "features_info" and "ctr_data".
Status read_json_ctrs(const Field& features, const Field& ctr_data, Tables& out);

}  // namespace spinney::load::catboost
