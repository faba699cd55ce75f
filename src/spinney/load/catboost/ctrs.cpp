#include "spinney/load/catboost/ctrs.h"

#include <algorithm>
#include <bit>
#include <map>
#include <string>

#include "spinney/load/catboost/tables.h"
#include "spinney/load/file/budget.h"

namespace spinney::load::catboost {
namespace {

template <typename Counted>
std::string key_of_counts(const Counted& counted) {
  return key_of(counted.combination) + static_cast<char>(counted.kind) +
         std::to_string(counted.classifier);
}

class Maker {
 public:
  Maker(const Tables& tables, uint32_t n_inputs) : from_(tables) {
    made_.n_inputs = n_inputs;
    for (const CategoricalFeature& feature : tables.categories)
      categories_.emplace(feature.index, static_cast<uint32_t>(feature.column));
    for (const FloatFeature& feature : tables.floats) floats_.emplace(feature.index, &feature);
    for (const CtrTable& table : tables.ctr_tables) in_file_.emplace(key_of_counts(table), &table);
  }

  Result<CategoryTables> make() {
    SPINNEY_TRY(take_categories());
    SPINNEY_TRY(take_one_hots());
    for (const CtrFeature& feature : from_.ctrs) SPINNEY_TRY(take_ctr(feature));
    made_.columns = std::move(columns_);
    made_.above = std::move(above_);
    made_.hashed_equals = std::move(hashed_equals_);
    made_.projections = std::move(projections_);
    made_.tables = std::move(tables_);
    made_.buckets = std::move(buckets_);
    made_.words = std::move(words_);
    made_.counts = std::move(counts_);
    SPINNEY_TRY(check_category_tables(made_));
    return made_;
  }

 private:
  Status take_categories() {
    std::vector<uint32_t> columns;
    for (const CategoricalFeature& feature : from_.categories)
      columns.push_back(static_cast<uint32_t>(feature.column));
    std::sort(columns.begin(), columns.end());
    made_.categories = std::move(columns);
    return {};
  }

  Status take_one_hots() {
    std::vector<CategoryEquals> equals;
    for (const OneHotFeature& feature : from_.one_hots) {
      SPINNEY_ASSIGN(const uint32_t column, category(feature.index));
      SPINNEY_TRY(spend("the tests of categories", feature.values.size(), sizeof(CategoryEquals)));
      for (const int32_t value : feature.values)
        equals.push_back({column, static_cast<uint32_t>(value)});
    }
    made_.equals = std::move(equals);
    return {};
  }

  Status take_ctr(const CtrFeature& feature) {
    if (feature.target < 0 || feature.target > INT32_MAX)
      return corrupt("a count is of target " + std::to_string(feature.target));
    SPINNEY_ASSIGN(const uint32_t table, table_of(feature));
    counts_.push_back({table, static_cast<uint32_t>(feature.target), feature.prior,
                       feature.prior_denominator, feature.shift, feature.scale});
    return {};
  }

  // Tables are taken when the first column is of them.
  Result<uint32_t> table_of(const CtrFeature& feature) {
    const std::string key = key_of_counts(feature);
    if (const auto known = taken_.find(key); known != taken_.end()) return known->second;
    const auto place = in_file_.find(key);
    if (place == in_file_.end())
      return corrupt("the model has no counts of the categories that one of its columns is of");
    const CtrTable* const found = place->second;
    CountTable table;
    table.kind = found->kind;
    table.denominator = found->denominator;
    table.width = width_of(*found);
    table.first_bucket = buckets_.size();
    table.bucket_count = found->buckets.size();
    table.first_word = words_.size();
    table.row_count = table.width ? found->words.size() / table.width : 0;
    SPINNEY_ASSIGN(table.projection, projection_of(found->combination));
    SPINNEY_TRY(spend("the counts of categories",
                      found->buckets.size() * sizeof(CountBucket) + found->words.size() * 4, 1));
    buckets_.insert(buckets_.end(), found->buckets.begin(), found->buckets.end());
    words_.insert(words_.end(), found->words.begin(), found->words.end());
    tables_.push_back(table);
    taken_.emplace(key, static_cast<uint32_t>(tables_.size() - 1));
    return static_cast<uint32_t>(tables_.size() - 1);
  }

  static uint32_t width_of(const CtrTable& table) {
    if (table.kind == CountKind::kMean || table.kind == CountKind::kFloatMean) return 2;
    if (table.kind == CountKind::kCounter || table.kind == CountKind::kFrequency) return 1;
    if (table.n_classes < 0 || table.n_classes > (1 << 24)) return 0;
    // The library reads two numbers where a file says that there are fewer classes.
    return std::max(static_cast<uint32_t>(table.n_classes),
                    table.kind == CountKind::kBorders ? 2u : 0u);
  }

  Result<uint32_t> projection_of(const Combination& combination) {
    const std::string key = key_of(combination);
    if (const auto known = combinations_.find(key); known != combinations_.end())
      return known->second;
    Projection made;
    made.first_column = static_cast<uint32_t>(columns_.size());
    made.first_above = static_cast<uint32_t>(above_.size());
    made.first_equals = static_cast<uint32_t>(hashed_equals_.size());
    for (const int32_t index : combination.categories) {
      SPINNEY_ASSIGN(const uint32_t column, category(index));
      const auto place = std::lower_bound(made_.categories.begin(), made_.categories.end(), column);
      columns_.push_back(static_cast<uint32_t>(place - made_.categories.begin()));
    }
    for (const auto& [index, border] : combination.above) {
      SPINNEY_ASSIGN(const NumberAbove test, above(index, border));
      above_.push_back(test);
    }
    for (const auto& [index, value] : combination.equals) {
      SPINNEY_ASSIGN(const uint32_t column, category(index));
      hashed_equals_.push_back({column, static_cast<uint32_t>(value)});
    }
    made.column_count = static_cast<uint32_t>(columns_.size()) - made.first_column;
    made.above_count = static_cast<uint32_t>(above_.size()) - made.first_above;
    made.equals_count = static_cast<uint32_t>(hashed_equals_.size()) - made.first_equals;
    projections_.push_back(made);
    combinations_.emplace(key, static_cast<uint32_t>(projections_.size() - 1));
    return static_cast<uint32_t>(projections_.size() - 1);
  }

  Result<uint32_t> category(int64_t index) const {
    const auto found = categories_.find(index);
    if (found != categories_.end()) return found->second;
    return corrupt("the model has no categorical feature " + std::to_string(index));
  }

  Result<NumberAbove> above(int64_t index, float border) const {
    if (const auto found = floats_.find(index); found != floats_.end()) {
      const FloatFeature& feature = *found->second;
      const bool above = feature.has_nans && feature.nan == NanTreatment::kAsTrue;
      return NumberAbove{static_cast<uint32_t>(feature.column), border, above ? 1u : 0u};
    }
    return corrupt("the model has no float feature " + std::to_string(index));
  }

  const Tables& from_;
  CategoryTables made_;
  std::map<int64_t, uint32_t> categories_;  // by their numbers among their kind
  std::map<int64_t, const FloatFeature*> floats_;
  std::map<std::string, const CtrTable*> in_file_;
  std::map<std::string, uint32_t> taken_, combinations_;
  std::vector<uint32_t> columns_, words_;
  std::vector<NumberAbove> above_;
  std::vector<CategoryEquals> hashed_equals_;
  std::vector<Projection> projections_;
  std::vector<CountTable> tables_;
  std::vector<CountBucket> buckets_;
  std::vector<Count> counts_;
};

}  // namespace

std::string key_of(const Combination& combination) {
  std::string key;
  const auto add = [&key](auto number) {
    key.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  add(combination.categories.size());
  for (const int32_t index : combination.categories) add(index);
  add(combination.above.size());
  for (const auto& [index, border] : combination.above) add(index), add(std::bit_cast<int>(border));
  for (const auto& [index, value] : combination.equals) add(index), add(value);
  return key;
}

Result<CategoryTables> make_category_tables(const Tables& tables, uint32_t n_inputs) {
  return Maker(tables, n_inputs).make();
}

}  // namespace spinney::load::catboost
