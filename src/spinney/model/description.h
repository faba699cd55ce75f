// Description: everything Spinney knows of a model, immutable, without a trace of how it is run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/category_tables.h"
#include "spinney/model/forest.h"
#include "spinney/model/linear.h"
#include "spinney/model/output.h"
#include "spinney/model/plain_value.h"
#include "spinney/model/quantization.h"
#include "spinney/model/schema.h"

namespace spinney {

class Graph;  // graph.h
using GraphPtr = std::shared_ptr<const Graph>;

// Categories that a data frame's column had in training, in the order of their codes.
struct ColumnCategories {
  uint32_t feature = 0;
  std::variant<std::vector<int64_t>, std::vector<double>, std::vector<std::string>> values;
};

// A column of numbers that the training library encodes before its trees see them: each value
// becomes its position among `values` (ascending), every other value NaN.
struct NumberCodes {
  uint32_t feature = 0;
  std::vector<double> values;
};

struct Source {
  std::string library;  // "xgboost", "lightgbm", "sklearn"
  std::string version;  // the library's version that wrote it, if the file says
  std::string format;   // "json", "ubj", "text", "pickle", "joblib", "object", "spinney"
  std::string kind;     // the class or booster: "XGBClassifier", "Booster", "RandomForestRegressor"
};

// Which of the file's trees the scorer has.
struct TreesUsed {
  uint64_t in_file = 0;  // 0: as many as the scorer has
  std::string rule;  // what chose them, such as "best_iteration=12"; empty: nothing, all are used
  // Trees of each iteration, where all have as many and the training library's file said so, and
  // how many trees of the file lie before the first one used. 0: not known, as of an artifact.
  uint64_t per_iteration = 0;
  uint64_t first = 0;
};

// What a reader fills in. make_description() checks all of it before anything is used.
struct DescriptionParts {
  std::variant<Forest, Linear, GraphPtr> scorer;
  std::optional<Quantization> quantization;  // of a scorer whose leaves or weights are codes
  Output output;
  Source source;
  std::vector<std::string> feature_names;  // empty, or one per feature
  std::vector<ColumnCategories> categories;
  std::vector<NumberCodes> number_codes;  // applied to every input, frames or not
  // Of a forest: what its columns are computed of. Rows then have category_tables->n_inputs
  // columns.
  std::optional<CategoryTables> category_tables;
  // What the rows' columns are, where more than numbers are taken; null: numbers only. If it has
  // names and feature_names is empty, make_description() makes them the features' names.
  SchemaPtr schema;
  // LightGBM does not store which columns were categorical in the data frame, only their order:
  // categories[i] then belongs to the i-th column of categorical dtype of the frame, as LightGBM
  // itself has it (a frame with another number of such columns is refused), and `feature` is i.
  bool categories_by_position = false;
  TreesUsed trees;
  std::vector<std::string> warnings;  // what a user should know, such as version skew
  // What the file holds beside the model, a dict; null: nothing. Artifacts do not keep it.
  std::shared_ptr<const PlainValue> beside;
  // Inputs that the training library itself refuses at predict time; enforced with strict=True.
  bool refuses_infinity = false;
  bool refuses_missing = false;

  uint32_t n_features() const;
  uint32_t n_outputs() const;     // raw scores per row
  NumberType score_type() const;  // type of the raw scores
};

// A model that was checked as a whole. make_description() is the only way to one, and nothing of it
// can be changed, so that plans, links and bindings check nothing. Copies share what is described.
class Description {
 public:
  const DescriptionParts& parts() const { return *parts_; }
  const std::variant<Forest, Linear, GraphPtr>& scorer;
  const std::optional<Quantization>& quantization;
  const Output& output;
  const Source& source;
  const std::vector<std::string>& feature_names;
  const std::vector<ColumnCategories>& categories;
  const std::vector<NumberCodes>& number_codes;
  const std::optional<CategoryTables>& category_tables;
  const SchemaPtr& schema;
  const TreesUsed& trees;
  const std::vector<std::string>& warnings;
  const bool categories_by_position;
  const bool refuses_infinity;
  const bool refuses_missing;

  // Kept here because every call asks for them.
  uint32_t n_features() const { return n_features_; }
  uint32_t n_outputs() const { return n_outputs_; }
  NumberType score_type() const { return score_type_; }
  size_t n_trees() const;
  size_t bytes() const;                    // of the scorer's arrays, those of members included
  size_t depth() const { return depth_; }  // graphs within graphs; 0: the scorer is none
  // What the absent entries of sparse input mean: missing (NaN), else zero. kUnsupported for a
  // graph whose models disagree.
  Result<bool> absent_is_missing() const;
  // Whether sparse rows are summed up as they are stored: a linear model, or a graph with one.
  bool sums_stored_entries() const;

 private:
  friend Result<Description> make_description(DescriptionParts parts);
  explicit Description(std::shared_ptr<const DescriptionParts> parts);
  std::shared_ptr<const DescriptionParts> parts_;
  uint32_t n_features_ = 0, n_outputs_ = 0;
  NumberType score_type_ = NumberType::kFloat32;
  size_t depth_ = 0;
};

// Validates everything above the trees and makes it a Description: the scorer was made by
// make_forest(), make_linear() or a GraphBuilder; labels fit their dtype, the scores and the
// decision; the link's numbers are ones that a library writes; names, categories and codes belong
// to features; a quantized scorer has its scales. The error names what is wrong.
Result<Description> make_description(DescriptionParts parts);

// The model that answers rows of float64 where this one answers rows of float32: scikit-learn's
// linear models that were fitted on float32 compute in the wider of the two types. Shares the
// model's arrays. Null where one model answers both.
Result<std::shared_ptr<const Description>> promoted(const Description& model);

}  // namespace spinney
