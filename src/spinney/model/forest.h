// Forest: a set of decision trees in one canonical form, whichever library grew them.
//
// The canonical form is the contract between loaders and kernels. It says exactly which child a
// value takes and in which arithmetic leaves are added, so that every kernel can be held to the
// same answer, bit for bit. Loaders fill ForestParts; make_forest() validates all of it once and
// gives back an immutable Forest, so that kernels check nothing.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/base/shared_array.h"
#include "spinney/model/rows.h"

namespace spinney {

enum class Comparison : uint8_t {
  kLess = 0,       // value <  threshold goes left (XGBoost)
  kLessEqual = 1,  // value <= threshold goes left (LightGBM, scikit-learn)
};

// Which values a numeric split sends to its default side instead of comparing them.
enum class MissingRule : uint8_t {
  kNan = 0,        // NaN
  kNanIsZero = 1,  // none: NaN is compared as 0.0 (LightGBM's missing_type None)
  kZeroOrNan = 2,  // NaN and |value| <= kZeroThreshold (LightGBM's missing_type Zero)
};

// LightGBM's kZeroThreshold: the double nearest to the float 1e-35f.
inline constexpr double kZeroThreshold = static_cast<double>(1e-35f);

// One node. Nodes of a tree lie together, in the training library's own order, root first.
struct Node {
  enum Flags : uint8_t { kLeaf = 1, kCategorical = 2, kDefaultLeft = 4 };

  // Numeric split: the threshold, exact in the forest's input type.
  // Categorical split: the index of its CategorySet.
  double threshold = 0;
  int32_t left = -1;     // split: children, as indices within the tree
  int32_t right = -1;    // leaf: the number that the library gives that leaf
  uint32_t feature = 0;  // split: the input column; leaf: its row of leaf_values
  uint8_t flags = 0;
  MissingRule missing = MissingRule::kNan;
  uint16_t reserved = 0;

  bool is_leaf() const { return flags & kLeaf; }
  bool is_categorical() const { return flags & kCategorical; }
  bool default_left() const { return flags & kDefaultLeft; }
  uint32_t leaf_row() const { return feature; }
  int32_t leaf_number() const { return right; }
  uint32_t category_set() const { return static_cast<uint32_t>(threshold); }

  static Node leaf(uint32_t leaf_row, int32_t leaf_number);
};
static_assert(sizeof(Node) == 24);

inline Node Node::leaf(uint32_t leaf_row, int32_t leaf_number) {
  Node node;
  node.flags = kLeaf;
  node.feature = leaf_row;
  node.right = leaf_number;
  return node;
}

// The categories that a split sends left. A value is truncated to an integer c; bit c of the words
// decides while c < 32 * word_count. Everything else (beyond the words, negative) is "other".
// NaN takes the node's default side.
struct CategorySet {
  uint32_t first_word = 0;
  uint32_t word_count = 0;
  uint32_t other_left = 0;  // 1: values outside the words go left
  // 1: -0.9 truncates to category 0 (LightGBM); 0: every value below zero is "other".
  uint32_t fraction_below_zero_is_zero = 0;
};

// A leaf that adds a linear function of some inputs (LightGBM's linear trees). If any of those
// inputs is NaN, the leaf's plain value in leaf_values is added instead. Inputs within
// kZeroThreshold of zero count as zero.
struct LinearLeaf {
  double constant = 0;
  uint32_t first_term = 0;
  uint32_t term_count = 0;
};

enum class Reduction : uint8_t {
  kSum = 0,             // base + trees' values, in tree order, in the accumulator's type
  kWeightedMedian = 1,  // the weighted median of the trees' values (AdaBoostRegressor)
};

struct ForestSettings {
  // Inputs are first rounded to this type, then compared with thresholds, as the library does.
  NumberType input = NumberType::kFloat32;
  Comparison comparison = Comparison::kLess;
  NumberType accumulator = NumberType::kFloat32;
  Reduction reduction = Reduction::kSum;
  uint32_t n_features = 0;
  uint32_t n_outputs = 1;  // scores per row
  // Values per leaf: 1, added to the tree's target; or n_outputs, added to all of them.
  uint32_t leaf_width = 1;
  // After the sum, each score is divided by this (1: not at all): averaging forests.
  double divisor = 1;
  // And multiplied by this, before Forest::shift is added, each step rounded (CatBoost). The shift
  // is added in float64, whatever the accumulator (Treelite).
  double scale = 1;
  // Sparse input: an absent entry is NaN (XGBoost), else 0.
  bool absent_is_missing = false;
  // A value equal to this one is missing too (XGBoost wrappers' `missing=`); NaN: no such value.
  double missing_value = std::nan("");
};

// What a loader fills in. make_forest() checks every index before anything is used.
struct ForestParts {
  ForestSettings settings;
  std::vector<uint32_t> tree_begin{0};  // n_trees + 1 offsets into nodes
  std::vector<uint32_t> tree_target;    // per tree: the score it adds to; 0 if leaf_width > 1
  std::vector<Node> nodes;
  std::vector<double> leaf_values;         // leaf_width values per leaf row
  std::vector<double> matrix_leaf_values;  // empty, or as many; see Forest
  std::vector<double> base;                // n_outputs scores that the sum starts from
  std::vector<double> shift;               // empty, or as many; see Forest
  std::vector<double> tree_weights;        // kWeightedMedian: one per tree; else empty
  std::vector<CategorySet> category_sets;
  std::vector<uint32_t> category_words;
  std::vector<LinearLeaf> linear_leaves;  // empty, or one per leaf row
  std::vector<uint32_t> term_features;
  std::vector<double> term_weights;
};

class Forest {
 public:
  Forest() = default;
  const ForestSettings& settings() const { return settings_; }
  size_t n_trees() const { return tree_target.size(); }
  size_t n_nodes() const { return nodes.size(); }
  std::span<const Node> tree(size_t t) const {
    return nodes.span().subspan(tree_begin[t], tree_begin[t + 1] - tree_begin[t]);
  }
  size_t n_leaf_rows() const { return leaf_values.size() / settings_.leaf_width; }
  size_t bytes() const;
  // Whether make_forest() or adopt_forest() made it.
  bool is_checked() const { return checked_; }

  // Which way a value already rounded to settings().input goes. The definition of every kernel.
  bool goes_left(const Node& node, double value) const;
  // The leaf (index within the tree) that row r of rows reaches in tree t.
  uint32_t find_leaf(size_t t, const Rows& rows, size_t r) const;

  SharedArray<uint32_t> tree_begin;
  SharedArray<uint32_t> tree_target;
  SharedArray<Node> nodes;
  SharedArray<double> leaf_values;
  // The leaves of rows that XGBoost makes a DMatrix of first, where these are others: before 3.3
  // its two ways of predicting round the weights of DART's trees differently. Else empty.
  SharedArray<double> matrix_leaf_values;
  SharedArray<double> base;
  // What is added to each score at last, behind ForestSettings::scale; empty: nothing.
  SharedArray<double> shift;
  SharedArray<double> tree_weights;
  SharedArray<CategorySet> category_sets;
  SharedArray<uint32_t> category_words;
  SharedArray<LinearLeaf> linear_leaves;
  SharedArray<uint32_t> term_features;
  SharedArray<double> term_weights;

 private:
  friend Result<Forest> make_forest(ForestParts parts);
  friend Result<Forest> adopt_forest(ForestSettings settings, Forest arrays);
  Status validate() const;
  ForestSettings settings_;
  bool checked_ = false;
};

// Validates parts and makes them a Forest. Refuses, naming the tree and node: array lengths that
// differ, children out of range, a node reached twice or never (which rules out cycles), features,
// targets, leaf rows or category sets out of range, thresholds that the input type cannot hold.
Result<Forest> make_forest(ForestParts parts);
// The same checks over arrays that already lie in place, say in a mapped artifact.
Result<Forest> adopt_forest(ForestSettings settings, Forest arrays);

}  // namespace spinney
