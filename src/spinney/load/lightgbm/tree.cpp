#include "spinney/load/lightgbm/tree.h"

#include <array>
#include <cmath>
#include <limits>

namespace spinney::load::lightgbm {
namespace {

constexpr int32_t kCategoricalBit = 1;
constexpr int32_t kDefaultLeftBit = 2;

// LightGBM reads every dense value within kZeroThreshold of zero as 0.0 before it compares. The
// threshold that sorts unflushed values alike: where 0.0 goes left, so does all of that interval;
// where 0.0 goes right, so does all of it.
double flushed_threshold(double threshold) {
  if (threshold >= 0 && threshold < kZeroThreshold) return kZeroThreshold;
  if (threshold < 0 && threshold >= -kZeroThreshold)
    return std::nextafter(-kZeroThreshold, -std::numeric_limits<double>::infinity());
  return threshold;
}

}  // namespace

Status TreeReader::read(Lines& lines, size_t tree) {
  part_ = "tree " + std::to_string(tree);
  Fields fields;
  SPINNEY_TRY(collect(lines, fields));
  SPINNEY_TRY(need("num_leaves", fields.num_leaves));
  SPINNEY_TRY(need("num_cat", fields.num_cat));
  SPINNEY_TRY(need("leaf_value", fields.leaf_value));
  // Each leaf takes at least two bytes of leaf_value, so that no size is taken on trust.
  const auto leaves_max = static_cast<int64_t>(fields.leaf_value.size());
  SPINNEY_ASSIGN(const int64_t leaves,
                 parse_integer(where("num_leaves"), fields.num_leaves, 1, leaves_max));
  const auto n_leaves = static_cast<size_t>(leaves);
  SPINNEY_TRY(parse_numbers(where("leaf_value"), fields.leaf_value, n_leaves, leaf_value_));
  SPINNEY_TRY(parse_splits(fields, n_leaves));
  SPINNEY_TRY(parse_categories(fields));
  SPINNEY_TRY(parse_linear(fields, n_leaves));
  return add_nodes(n_leaves);
}

Status TreeReader::collect(Lines& lines, Fields& fields) {
  using Slot = std::pair<std::string_view, std::string_view Fields::*>;
  constexpr std::array<Slot, 15> kSlots = {{{"num_leaves", &Fields::num_leaves},
                                            {"num_cat", &Fields::num_cat},
                                            {"split_feature", &Fields::split_feature},
                                            {"threshold", &Fields::threshold},
                                            {"decision_type", &Fields::decision_type},
                                            {"left_child", &Fields::left_child},
                                            {"right_child", &Fields::right_child},
                                            {"leaf_value", &Fields::leaf_value},
                                            {"cat_boundaries", &Fields::cat_boundaries},
                                            {"cat_threshold", &Fields::cat_threshold},
                                            {"is_linear", &Fields::is_linear},
                                            {"leaf_const", &Fields::leaf_const},
                                            {"num_features", &Fields::num_features},
                                            {"leaf_features", &Fields::leaf_features},
                                            {"leaf_coeff", &Fields::leaf_coeff}}};
  while (!lines.done()) {
    const std::string_view line = lines.next();
    if (line.empty()) return {};
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos)
      return corrupt(part_ + ": the line " + quoted(line) + " is not key=value");
    const std::string_view key = line.substr(0, equals);
    for (const auto& [name, slot] : kSlots) {
      if (name != key) continue;
      std::string_view& value = fields.*slot;
      if (value.data()) return corrupt(part_ + ": " + std::string(name) + " stands there twice");
      value = line.substr(equals + 1);
    }
  }
  return corrupt(part_ + ": the file ends inside this tree");
}

Status TreeReader::need(std::string_view field, std::string_view value) const {
  if (value.data()) return {};
  return corrupt(part_ + ": " + std::string(field) + " is missing");
}

Status TreeReader::parse_splits(const Fields& fields, size_t n_leaves) {
  const size_t n = n_leaves - 1;
  if (n == 0) {  // LightGBM reads none of these for a tree of one leaf
    for (auto* list : {&split_feature_, &left_, &right_, &decision_type_}) list->clear();
    threshold_.clear();
    return {};
  }
  SPINNEY_TRY(need("split_feature", fields.split_feature));
  SPINNEY_TRY(need("threshold", fields.threshold));
  SPINNEY_TRY(need("left_child", fields.left_child));
  SPINNEY_TRY(need("right_child", fields.right_child));
  SPINNEY_TRY(parse_numbers(where("split_feature"), fields.split_feature, n, split_feature_));
  SPINNEY_TRY(parse_numbers(where("threshold"), fields.threshold, n, threshold_));
  SPINNEY_TRY(parse_numbers(where("left_child"), fields.left_child, n, left_));
  SPINNEY_TRY(parse_numbers(where("right_child"), fields.right_child, n, right_));
  if (fields.decision_type.data())
    return parse_numbers(where("decision_type"), fields.decision_type, n, decision_type_);
  decision_type_.assign(n, 0);
  return {};
}

Status TreeReader::parse_categories(const Fields& fields) {
  const auto sets_max = static_cast<int64_t>(fields.cat_boundaries.size());
  SPINNEY_ASSIGN(const int64_t sets, parse_integer(where("num_cat"), fields.num_cat, 0, sets_max));
  n_categorical_ = static_cast<size_t>(sets);
  words_.clear();
  if (sets == 0) return {};
  SPINNEY_TRY(need("cat_threshold", fields.cat_threshold));
  SPINNEY_TRY(parse_numbers(where("cat_boundaries"), fields.cat_boundaries, n_categorical_ + 1,
                            boundaries_));
  for (size_t i = 0; i < boundaries_.size(); ++i) {
    const int32_t previous = i == 0 ? 0 : boundaries_[i - 1];
    if (boundaries_[i] < previous)
      return corrupt(part_ + ": cat_boundaries, value " + std::to_string(i) + ": " +
                     std::to_string(boundaries_[i]) + " lies below " + std::to_string(previous));
  }
  const auto n_words = static_cast<size_t>(boundaries_.back());
  return parse_numbers(where("cat_threshold"), fields.cat_threshold, n_words, words_);
}

Status TreeReader::parse_linear(const Fields& fields, size_t n_leaves) {
  bool linear = false;
  if (fields.is_linear.data()) {
    SPINNEY_ASSIGN(const int64_t flag, parse_integer(where("is_linear"), fields.is_linear, 0, 1));
    linear = flag == 1;
  }
  const size_t first_row = parts_.leaf_values.size();
  if (!linear && parts_.linear_leaves.empty()) return {};
  // Once one tree is linear, every leaf row has an entry; a constant leaf is one without terms.
  for (size_t row = parts_.linear_leaves.size(); row < first_row; ++row)
    parts_.linear_leaves.push_back({parts_.leaf_values[row], 0, 0});
  if (!linear) {
    for (const double value : leaf_value_) parts_.linear_leaves.push_back({value, 0, 0});
    return {};
  }
  SPINNEY_TRY(need("leaf_const", fields.leaf_const));
  SPINNEY_TRY(need("num_features", fields.num_features));
  SPINNEY_TRY(parse_numbers(where("leaf_const"), fields.leaf_const, n_leaves, scratch_));
  SPINNEY_TRY(parse_numbers(where("num_features"), fields.num_features, n_leaves, counts_));
  uint64_t total = 0;
  const size_t first_term = parts_.term_features.size();
  for (size_t i = 0; i < n_leaves; ++i) {
    const uint64_t first = first_term + total;
    total += counts_[i];
    if (first_term + total > UINT32_MAX)
      return corrupt(part_ + ": num_features, value " + std::to_string(i) +
                     " declares more terms than there can be");
    parts_.linear_leaves.push_back({scratch_[i], static_cast<uint32_t>(first), counts_[i]});
  }
  SPINNEY_TRY(parse_numbers(where("leaf_features"), fields.leaf_features, total, features_));
  SPINNEY_TRY(parse_numbers(where("leaf_coeff"), fields.leaf_coeff, total, scratch_));
  for (size_t i = 0; i < features_.size(); ++i)
    if (features_[i] >= parts_.settings.n_features)
      return corrupt(part_ + ": leaf_features, value " + std::to_string(i) + ": feature " +
                     std::to_string(features_[i]) + " is beyond the " +
                     std::to_string(parts_.settings.n_features) + " of the model");
  parts_.term_features.insert(parts_.term_features.end(), features_.begin(), features_.end());
  parts_.term_weights.insert(parts_.term_weights.end(), scratch_.begin(), scratch_.end());
  return {};
}

// Splits keep their numbers and leaf i becomes node n_splits + i.
Status TreeReader::add_nodes(size_t n_leaves) {
  if (parts_.nodes.size() + 2 * n_leaves > UINT32_MAX ||
      parts_.category_words.size() + words_.size() > UINT32_MAX)
    return too_large(part_ + ": the model has more than 4,294,967,295 nodes");
  for (size_t i = 0; i + 1 < n_leaves; ++i) {
    SPINNEY_ASSIGN(const Node split, make_split(i, n_leaves));
    parts_.nodes.push_back(split);
  }
  for (size_t i = 0; i < n_leaves; ++i)
    parts_.nodes.push_back(
        Node::leaf(static_cast<uint32_t>(parts_.leaf_values.size() + i), static_cast<int32_t>(i)));
  parts_.leaf_values.insert(parts_.leaf_values.end(), leaf_value_.begin(), leaf_value_.end());
  parts_.tree_begin.push_back(static_cast<uint32_t>(parts_.nodes.size()));
  if (n_categorical_ == 0) return {};
  const auto first_word = static_cast<uint32_t>(parts_.category_words.size());
  for (size_t i = 0; i < n_categorical_; ++i) {
    CategorySet set;
    set.first_word = first_word + static_cast<uint32_t>(boundaries_[i]);
    set.word_count = static_cast<uint32_t>(boundaries_[i + 1] - boundaries_[i]);
    set.fraction_below_zero_is_zero = 1;
    parts_.category_sets.push_back(set);
  }
  parts_.category_words.insert(parts_.category_words.end(), words_.begin(), words_.end());
  return {};
}

Result<Node> TreeReader::make_split(size_t i, size_t n_leaves) const {
  Node split;
  const int32_t feature = split_feature_[i];
  if (feature < 0 || static_cast<uint32_t>(feature) >= parts_.settings.n_features)
    return corrupt(node(i) + ": feature " + std::to_string(feature) + " is beyond the " +
                   std::to_string(parts_.settings.n_features) + " features of the model");
  split.feature = static_cast<uint32_t>(feature);
  SPINNEY_ASSIGN(split.left, child_of(i, "left_child", left_[i], n_leaves));
  SPINNEY_ASSIGN(split.right, child_of(i, "right_child", right_[i], n_leaves));
  const int32_t type = decision_type_[i];
  if (type < 0 || type > 11)
    return corrupt(node(i) + ": decision_type " + std::to_string(type) + " is not from 0 to 11");
  if (!(type & kCategoricalBit)) {
    SPINNEY_TRY(set_numeric(split, threshold_[i], type));
    return split;
  }
  // NaN always goes right at a categorical split, whatever the other bits say.
  const double set = threshold_[i];
  if (!(set >= 0 && set < static_cast<double>(n_categorical_)) || set != std::floor(set))
    return corrupt(node(i) + ": category set " + std::to_string(set) + " is not one of the " +
                   std::to_string(n_categorical_) + " of the tree");
  split.flags = Node::kCategorical;
  split.threshold = static_cast<double>(parts_.category_sets.size()) + set;
  return split;
}

Status TreeReader::set_numeric(Node& node, double threshold, int32_t type) const {
  constexpr MissingRule kRules[] = {MissingRule::kNanIsZero, MissingRule::kZeroOrNan,
                                    MissingRule::kNan};
  node.missing = kRules[type >> 2];
  node.threshold = flushed_threshold(threshold);
  const bool has_default = node.missing != MissingRule::kNanIsZero;
  if (has_default && type & kDefaultLeftBit) node.flags = Node::kDefaultLeft;
  return {};
}

Result<int32_t> TreeReader::child_of(size_t i, std::string_view field, int32_t child,
                                     size_t n_leaves) const {
  const auto leaves = static_cast<int64_t>(n_leaves);
  if (child >= leaves - 1 || child < -leaves || child == 0)
    return corrupt(node(i) + ": " + std::string(field) + " " + std::to_string(child) +
                   " is neither a node from 1 to " + std::to_string(leaves - 2) +
                   " nor a leaf from -" + std::to_string(leaves) + " to -1");
  if (child > 0) return child;
  return static_cast<int32_t>(leaves - 1 + ~child);
}

}  // namespace spinney::load::lightgbm
