// One "Tree=" section of LightGBM's text format, turned into nodes of the canonical forest.
#pragma once

#include "spinney/base/result.h"
#include "spinney/load/lightgbm/fields.h"
#include "spinney/model/forest.h"

namespace spinney::load::lightgbm {

// Reads sections one after another into the same ForestParts; keeps scratch between them.
class TreeReader {
 public:
  explicit TreeReader(ForestParts& parts) : parts_(parts) {}
  // Takes lines up to the blank one that ends the section. `tree` is its place in the file.
  Status read(Lines& lines, size_t tree);

 private:
  struct Fields {
    std::string_view num_leaves, num_cat, split_feature, threshold, decision_type, left_child,
        right_child, leaf_value, cat_boundaries, cat_threshold, is_linear, leaf_const, num_features,
        leaf_features, leaf_coeff;
  };
  Status collect(Lines& lines, Fields& fields);
  Status parse_splits(const Fields& fields, size_t n_leaves);
  Status parse_categories(const Fields& fields);
  Status parse_linear(const Fields& fields, size_t n_leaves);
  Status add_nodes(size_t n_leaves);
  Result<Node> make_split(size_t i, size_t n_leaves) const;
  Status set_numeric(Node& node, double threshold, int32_t type) const;
  Result<int32_t> child_of(size_t i, std::string_view field, int32_t child, size_t n_leaves) const;
  Status need(std::string_view field, std::string_view value) const;
  Where where(std::string_view field) const { return {part_, field}; }
  std::string node(size_t i) const { return part_ + ", node " + std::to_string(i); }

  ForestParts& parts_;
  std::string part_;
  size_t n_categorical_ = 0;
  std::vector<int32_t> split_feature_, decision_type_, left_, right_, boundaries_;
  std::vector<double> threshold_, leaf_value_, scratch_;
  std::vector<uint32_t> words_, counts_, features_;
};

}  // namespace spinney::load::lightgbm
