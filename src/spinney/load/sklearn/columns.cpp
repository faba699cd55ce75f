#include "spinney/load/sklearn/columns.h"

#include <algorithm>
#include <cmath>

#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/attributes.h"

namespace spinney::load {
namespace {

// Sets the known codes from the bin mapper, whose "thresholds" of a categorical feature are them.
Status read_known(const Record& record, uint32_t n_features, HistogramColumns& columns) {
  SPINNEY_TRY(spend(record.full_name(), n_features, sizeof(CategoryWords) + sizeof(uint32_t)));
  columns.known.assign(n_features, CategoryWords{});
  const Value* mapper = optional_attribute(record, "_bin_mapper");
  if (!mapper) mapper = optional_attribute(record, "bin_mapper_");
  if (!mapper) return {};
  if (!mapper->record()) return corrupt(place(record, "_bin_mapper") + " is " + mapper->what());
  const Record& bins = *mapper->record();
  if (!optional_attribute(bins, "is_categorical_")) return {};  // before scikit-learn 0.24
  SPINNEY_ASSIGN(const Value* const flags_value, attribute(bins, "is_categorical_"));
  SPINNEY_ASSIGN(const std::vector<int64_t> flags,
                 to_integers(*flags_value, place(bins, "is_categorical_")));
  SPINNEY_ASSIGN(const List* const thresholds, list_attribute(bins, "bin_thresholds_"));
  if (flags.size() != n_features || thresholds->size() != n_features)
    return corrupt(bins.full_name() + " describes " + std::to_string(flags.size()) +
                   " features of " + std::to_string(n_features));
  for (uint32_t f = 0; f < n_features; ++f) {
    if (!flags[f]) continue;
    SPINNEY_ASSIGN(const std::vector<double> codes,
                   to_doubles((*thresholds)[f], place(bins, "bin_thresholds_")));
    for (const double code : codes) {
      if (!(code >= 0 && code < 256))
        return corrupt(place(bins, "bin_thresholds_") + ": feature " + std::to_string(f) +
                       " has the category " + std::to_string(code));
      const auto bit = static_cast<uint32_t>(code);
      columns.known[f][bit / 32] |= 1u << bit % 32;
    }
  }
  return {};
}

// The OrdinalEncoder among a ColumnTransformer's fitted transformers.
Result<const Record*> find_encoder(const Record& transformer) {
  SPINNEY_ASSIGN(const List* const steps, list_attribute(transformer, "transformers_"));
  SPINNEY_TRY(spend(place(transformer, "transformers_"), steps->size(), sizeof(Value)));
  for (const Value& step : *steps) {
    const List* parts = step.list();
    if (!parts || parts->size() != 3 || (*parts)[0].string() != "encoder") continue;
    const Record* encoder = (*parts)[1].record();
    if (encoder && encoder->name == "OrdinalEncoder") return encoder;
  }
  return corrupt(place(transformer, "transformers_") + " holds no OrdinalEncoder");
}

bool is_missing(const Value& value) {
  const std::optional<double> number = value.number();
  return value.is_none() || (number && std::isnan(*number));
}

// An encoder's categories of one column; missing ones are left out, as they encode to NaN.
Status add_categories(const Value& categories, uint32_t column, const std::string& what,
                      HistogramColumns& columns) {
  const NdArray* array = categories.array();
  const bool objects = array && array->objects;
  if (!objects) {
    auto numbers = to_doubles(categories, what);
    if (numbers.ok()) {
      if (!numbers->empty() && std::isnan(numbers->back())) numbers->pop_back();
      columns.number_codes.push_back({column, std::move(numbers).value()});
      return {};
    }
    SPINNEY_ASSIGN(auto texts, to_texts(categories, what));
    columns.categories.push_back({column, std::move(texts)});
    return {};
  }
  SPINNEY_TRY(spend(what, array->objects->size(), 2 * sizeof(Value)));
  List present = *array->objects;
  while (!present.empty() && is_missing(present.back())) present.pop_back();
  List copy = present;
  Value as_list(&copy);
  if (!present.empty() && present.front().string()) {
    SPINNEY_ASSIGN(auto texts, to_texts(as_list, what));
    columns.categories.push_back({column, std::move(texts)});
  } else {
    SPINNEY_ASSIGN(auto numbers, to_doubles(as_list, what));
    columns.number_codes.push_back({column, std::move(numbers)});
  }
  return {};
}

// Lookups need ascending values, as numpy.unique leaves them.
Status check_codes(const HistogramColumns& columns, const std::string& what) {
  for (const NumberCodes& codes : columns.number_codes)
    if (std::adjacent_find(codes.values.begin(), codes.values.end(),
                           [](double a, double b) { return !(a < b); }) != codes.values.end())
      return corrupt(what + ": the categories of feature " + std::to_string(codes.feature) +
                     " do not ascend");
  return {};
}

}  // namespace

Result<HistogramColumns> read_histogram_columns(const Record& record, uint32_t n_features) {
  HistogramColumns columns;
  SPINNEY_TRY(read_known(record, n_features, columns));
  const Value* preprocessor = optional_attribute(record, "_preprocessor");
  for (uint32_t f = 0; f < n_features; ++f) columns.input_column.push_back(f);
  if (!preprocessor) return columns;  // categories, if any, are the input's own numbers
  if (!preprocessor->record())
    return corrupt(place(record, "_preprocessor") + " is " + preprocessor->what());
  SPINNEY_ASSIGN(const Value* const mask_value, attribute(record, "is_categorical_"));
  SPINNEY_ASSIGN(const std::vector<int64_t> mask,
                 to_integers(*mask_value, place(record, "is_categorical_")));
  if (mask.size() != n_features)
    return corrupt(place(record, "is_categorical_") + " describes " + std::to_string(mask.size()) +
                   " features of " + std::to_string(n_features));
  columns.input_column.clear();
  for (const bool categorical : {true, false})
    for (uint32_t f = 0; f < n_features; ++f)
      if ((mask[f] != 0) == categorical) columns.input_column.push_back(f);
  SPINNEY_ASSIGN(const Record* const encoder, find_encoder(*preprocessor->record()));
  SPINNEY_ASSIGN(const List* const categories, list_attribute(*encoder, "categories_"));
  const std::string what = place(*encoder, "categories_");
  for (size_t i = 0; i < categories->size(); ++i) {
    if (i >= n_features || !mask[columns.input_column[i]])
      return corrupt(what + " holds more lists than there are categorical features");
    SPINNEY_TRY(add_categories((*categories)[i], columns.input_column[i], what, columns));
  }
  SPINNEY_TRY(check_codes(columns, what));
  return columns;
}

}  // namespace spinney::load
