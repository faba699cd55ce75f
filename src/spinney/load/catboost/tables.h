// What a CatBoost model says, whichever of its formats it was read from, and what is made of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/catboost/ctrs.h"
#include "spinney/load/choice.h"
#include "spinney/load/document/document.h"
#include "spinney/model/description.h"

namespace spinney::load::catboost {

enum class NanTreatment : uint8_t { kAsIs = 0, kAsFalse = 1, kAsTrue = 2 };

struct FloatFeature {
  int64_t column = -1;  // among all the rows' columns
  int64_t index = -1;   // among those of numbers
  bool has_nans = false;
  NanTreatment nan = NanTreatment::kAsIs;
  std::string name;
  std::vector<float> borders;
};

struct CategoricalFeature {
  int64_t column = -1;
  int64_t index = -1;  // among those of categories
  std::string name;
};

// A step of a tree that is no table: offsets to the next step where its test fails and where it
// holds, 0 where the row stays, in a leaf.
struct Step {
  uint32_t left = 0, right = 0;
  uint32_t leaf = 0;  // the first of its values, if a row may stay here
};

// What the model's information says of its training.
struct Facts {
  std::string loss;     // "Logloss"; empty: not said
  std::string version;  // CatBoost's
  bool has_classes = false;
  Labels classes;  // none if they have no names
  double threshold = 0.5;
};

struct Tables {
  int64_t dimension = 0;
  std::vector<FloatFeature> floats;
  std::vector<CategoricalFeature> categories;
  std::vector<OneHotFeature> one_hots;
  std::vector<CtrFeature> ctrs;
  std::vector<CtrTable> ctr_tables;
  // Tests of all trees one after the other, as numbers in the list of all features' borders; of how
  // many tests, or steps, each tree is made.
  std::vector<int32_t> splits;
  std::vector<int32_t> sizes;
  std::vector<double> leaf_values;
  std::vector<Step> steps;  // as many as splits; empty: all trees are tables
  double scale = 1;
  std::vector<double> bias;  // empty, or one for each dimension
  Facts facts;
};

// Which object of CatBoost answers.
enum class Kind : uint8_t { kByLoss, kBare, kClassifier, kRegressor, kRanker };

struct Wanted {
  Kind kind = Kind::kByLoss;
  Choice choice;
  std::string format;  // of the Source
};

Result<Tables> read_cbm(std::span<const char> bytes);
Result<Tables> read_json(std::span<const char> bytes);
// One entry of the model's information. value: JSON, or a text that holds it.
Status read_fact(std::string_view key, const Field& value, Facts& facts);
// The whole of a model from its tables.
Result<DescriptionParts> describe(const Tables& tables, const Wanted& wanted);

// The trees chosen as a forest over the rows' columns.
struct TreeRange {
  size_t first = 0, behind = 0;
};
Result<Forest> make_trees(const Tables& tables, TreeRange range);
// Columns of a row.
Result<uint32_t> count_columns(const Tables& tables);
// Which object answers, where the file does not say: the one that trains by such a loss.
Kind kind_of(const Facts& facts);
// What its predict() gives of so many raw scores.
Result<Output> output_of(const Facts& facts, Kind kind, size_t n_raw);

}  // namespace spinney::load::catboost
