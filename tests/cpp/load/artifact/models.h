// Models that use every field an artifact has, for the tests of artifacts.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "spinney/load/artifact/artifact.h"
#include "spinney/model/ensemble.h"
#include "spinney/spinney.h"

namespace spinney::load {

inline Node split(uint32_t feature, double threshold, int32_t left, int32_t right) {
  Node node;
  node.feature = feature;
  node.threshold = threshold;
  node.left = left;
  node.right = right;
  return node;
}

// Uses every array of a forest.
inline ForestParts full_forest() {
  ForestParts parts;
  parts.settings.input = NumberType::kFloat64;
  parts.settings.comparison = Comparison::kLessEqual;
  parts.settings.accumulator = NumberType::kFloat64;
  parts.settings.n_features = 3;
  parts.settings.n_outputs = 2;
  parts.settings.divisor = 2.5;
  parts.settings.scale = 0.5;
  parts.settings.absent_is_missing = true;
  parts.settings.missing_value = -999;
  Node categories = split(1, 0, 1, 2);
  categories.flags = Node::kCategorical | Node::kDefaultLeft;
  Node zeros = split(2, 0.1, 1, 2);
  zeros.missing = MissingRule::kZeroOrNan;
  parts.nodes = {categories, Node::leaf(0, 1), Node::leaf(1, 2),
                 zeros,      Node::leaf(2, 7), Node::leaf(0, 9)};
  parts.tree_begin = {0, 3, 6};
  parts.tree_target = {0, 1};
  parts.leaf_values = {-1, 1, 0.25};
  parts.matrix_leaf_values = {-1.5, 1.5, 0.125};
  parts.base = {0.5, -0.5};
  parts.shift = {0.25, -2};
  parts.category_sets = {{0, 1, 1, 0}};
  parts.category_words = {5};
  parts.linear_leaves = {{0.5, 0, 1}, {0, 1, 1}, {1, 0, 0}};
  parts.term_features = {0, 2};
  parts.term_weights = {1.5, -0.25};
  return parts;
}

inline DescriptionParts describe(std::variant<Forest, Linear, GraphPtr> scorer) {
  DescriptionParts model;
  model.scorer = std::move(scorer);
  Output& output = model.output;
  output.task = Task::kMulticlass;
  output.objective = "multi:softprob";
  output.link = {LinkKind::kLgbSoftmax, 0.75, 3};
  output.decision_on_raw = true;
  output.decision = Decision::kArgmax;
  output.threshold = 0.125;
  output.value_type = NumberType::kFloat64;
  output.labels = {{std::vector<std::string>{"no", "yes, \xc3\xa9"}, false, "<U6"}};
  output.has_probabilities = true;
  output.keep_column_axis = true;
  model.source = {"sklearn", "1.9.1", "pickle", "SomeClassifier"};
  model.feature_names = {"a", "", "c"};
  model.categories = {{0, std::vector<int64_t>{3, -4}},
                      {1, std::vector<double>{0.5}},
                      {2, std::vector<std::string>{"x", "y"}}};
  model.categories_by_position = true;
  model.trees = {9, "best_iteration=3"};
  model.warnings = {"written by an old version"};
  model.refuses_infinity = true;
  return model;
}

inline Description forest_model() {
  return make_description(describe(make_forest(full_forest()).value())).value();
}

// Columns that are encoded belong to a forest without a number for missing values.
inline Description coded_model() {
  ForestParts parts = full_forest();
  parts.settings.missing_value = std::nan("");
  DescriptionParts model = describe(make_forest(std::move(parts)).value());
  model.number_codes = {{1, {0.5, 7}}};
  return make_description(std::move(model)).value();
}

// Columns of every kind and rule.
inline Description text_model() {
  Schema schema;
  schema.columns = {{"a", ColumnKind::kNumber, {}, false, true},
                    {"", ColumnKind::kBoolean, {}, true, true},
                    {"c", ColumnKind::kText, {"", "x", "\xc3\xa9", "\xed\xa0\x80"}, true, false}};
  DescriptionParts model = describe(make_forest(full_forest()).value());
  model.categories.clear();
  model.categories_by_position = false;
  model.schema = std::make_shared<const Schema>(std::move(schema));
  return make_description(std::move(model)).value();
}

inline Description linear_model() {
  Linear linear;
  linear.arithmetic = NumberType::kFloat32;
  linear.n_features = 3;
  linear.n_outputs = 2;
  linear.weights = std::vector<double>{1, 2, 3, 4, 5, 6};
  linear.bias = std::vector<double>{0.5, 0};
  linear.skip_missing = true;
  linear.absent_is_missing = true;
  linear.missing_value = -1;
  return make_description(describe(make_linear(std::move(linear)).value())).value();
}

inline Description ensemble_model() {
  Ensemble ensemble;
  ensemble.combination = Combination::kMajorityVote;
  ensemble.arithmetic = NumberType::kFloat32;
  ensemble.n_features = 5;
  ensemble.n_outputs = 2;
  ensemble.divisor = 1.5;
  ensemble.members = {{std::make_shared<Description>(forest_model()), {4, 0, 0}, {1, 0}, 0.5},
                      {std::make_shared<Description>(linear_model()), {1, 2, 3}, {}, 1}};
  DescriptionParts model = describe(make_ensemble(std::move(ensemble)).value());
  model.feature_names = {};
  model.categories = {};
  return make_description(std::move(model)).value();
}

inline std::vector<char> bytes_of(const Description& model) {
  return artifact_bytes(model).value();
}

// What was read from an artifact, as it was before it was written.
inline Description as_pickled(const Description& read) {
  DescriptionParts parts = read.parts();
  parts.source.format = "pickle";
  return make_description(std::move(parts)).value();
}

}  // namespace spinney::load
