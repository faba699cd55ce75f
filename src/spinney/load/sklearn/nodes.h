// The arrays inside scikit-learn's Tree object, checked, and their way into a forest.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/estimator.h"
#include "spinney/model/forest.h"

namespace spinney::load {

// A view of the `tree_` of one fitted tree estimator. Valid as long as its pickle.
class SklearnTree {
 public:
  // `estimator` is a DecisionTree* or ExtraTree*; its index among its siblings stands in errors.
  static Result<SklearnTree> read(const Record& estimator, size_t index);

  size_t n_nodes() const { return n_nodes_; }
  size_t n_leaves() const { return (n_nodes_ + 1) / 2; }
  uint32_t n_features() const { return n_features_; }
  uint32_t n_outputs() const { return n_outputs_; }
  uint32_t classes_max() const { return classes_max_; }  // columns of values per output
  // Since scikit-learn 1.3 nodes know where missing values go.
  bool since_1_3() const { return missing_left_ != kAbsent; }
  // Since scikit-learn 1.4 classifiers' values are fractions of a leaf's samples instead of their
  // (weighted) counts.
  bool holds_fractions() const { return since_1_3() && !before_1_4_; }

  int64_t left(size_t node) const { return whole(node, left_); }
  int64_t right(size_t node) const { return whole(node, right_); }
  int64_t feature(size_t node) const { return whole(node, feature_); }
  double threshold(size_t node) const;
  bool missing_left(size_t node) const;
  int64_t n_node_samples(size_t node) const { return whole(node, n_node_samples_); }
  // Value `column` (below n_outputs() * classes_max()) of a node.
  double value(size_t node, size_t column) const;

 private:
  static constexpr size_t kAbsent = SIZE_MAX;
  Status find_fields(const NdArray& nodes);
  int64_t whole(size_t node, size_t offset) const;

  bool before_1_4_ = false;
  std::span<const char> nodes_;
  std::span<const char> values_;
  size_t item_size_ = 0;
  size_t n_nodes_ = 0;
  uint32_t n_features_ = 0, n_outputs_ = 0, classes_max_ = 0;
  size_t left_ = 0, right_ = 0, feature_ = 0, threshold_ = 0, n_node_samples_ = 0;
  size_t missing_left_ = kAbsent;
};

// Appends the tree's nodes to parts, thresholds rounded down to float32 (which no float32 input
// can tell from the double), with node numbers as leaf numbers. `write_leaf` appends each leaf's
// leaf_width values.
Status append_tree(const SklearnTree& tree, uint32_t target, ForestParts& parts,
                   const std::function<void(size_t node, std::vector<double>& values)>& write_leaf);

// Room for all nodes and leaves of the trees, so that nothing is allocated in excess.
void reserve_trees(std::span<const SklearnTree> trees, ForestParts& parts);

// For float32 x, x <= threshold exactly when x <= this.
double round_down_to_float(double threshold);

}  // namespace spinney::load
