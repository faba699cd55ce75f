#include "spinney/load/sklearn/nodes.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/attributes.h"

namespace spinney::load {
namespace {

constexpr size_t kNodesMax = size_t{1} << 30;

// Offset of a field of the node's record, if its type is the one expected.
Status offset_of(const NdArray& nodes, std::string_view name, std::string_view dtype,
                 size_t& offset) {
  const NdArray::Field* field = nodes.field(name);
  if (!field) return corrupt("tree nodes lack the field " + std::string(name));
  if (field->dtype.text != dtype)
    return unsupported("tree nodes hold " + std::string(name) + " as " + field->dtype.text +
                       ", not " + std::string(dtype) +
                       ": written on a 32-bit or big-endian machine");
  offset = field->offset;
  return {};
}

Status check_node(const SklearnTree& tree, size_t node, uint32_t n_features) {
  const auto n = static_cast<int64_t>(tree.n_nodes());
  const auto at = [&] { return "node " + std::to_string(node); };
  for (const int64_t child : {tree.left(node), tree.right(node)})
    if (child <= 0 || child >= n)
      return corrupt(at() + ": child " + std::to_string(child) + " is outside 1 to " +
                     std::to_string(n - 1));
  if (tree.feature(node) < 0 || tree.feature(node) >= n_features)
    return corrupt(at() + ": feature " + std::to_string(tree.feature(node)) + " is beyond the " +
                   std::to_string(n_features) + " features of the model");
  if (std::isnan(tree.threshold(node))) return corrupt(at() + ": its threshold is not a number");
  return {};
}

}  // namespace

Status SklearnTree::find_fields(const NdArray& nodes) {
  SPINNEY_TRY(offset_of(nodes, "left_child", "<i8", left_));
  SPINNEY_TRY(offset_of(nodes, "right_child", "<i8", right_));
  SPINNEY_TRY(offset_of(nodes, "feature", "<i8", feature_));
  SPINNEY_TRY(offset_of(nodes, "threshold", "<f8", threshold_));
  SPINNEY_TRY(offset_of(nodes, "n_node_samples", "<i8", n_node_samples_));
  if (nodes.field("missing_go_to_left"))
    SPINNEY_TRY(offset_of(nodes, "missing_go_to_left", "|u1", missing_left_));
  return {};
}

Result<SklearnTree> SklearnTree::read(const Record& estimator, size_t index) {
  SPINNEY_ASSIGN(const Record* const record, record_attribute(estimator, "tree_"));
  const std::string name = "tree " + std::to_string(index);
  // Tree(n_features, n_classes, n_outputs), then its arrays.
  if (record->name != "Tree" || !record->arguments || record->arguments->size() != 3)
    return corrupt(name + " is " + record->full_name() + ", not scikit-learn's Tree");
  const int64_t n_features = (*record->arguments)[0].integer().value_or(-1);
  const int64_t n_outputs = (*record->arguments)[2].integer().value_or(-1);
  SPINNEY_ASSIGN(const NdArray* const nodes, array_attribute(*record, "nodes"));
  SPINNEY_ASSIGN(const NdArray* const values, array_attribute(*record, "values"));
  SPINNEY_ASSIGN(const int64_t n_nodes, integer_attribute(*record, "node_count"));
  SklearnTree tree;
  tree.before_1_4_ = written_before(estimator, 1, 4);
  SPINNEY_TRY(tree.find_fields(*nodes));
  if (n_nodes < 1 || nodes->size() != static_cast<size_t>(n_nodes) || nodes->size() > kNodesMax)
    return corrupt(name + " declares " + std::to_string(n_nodes) + " nodes but holds " +
                   std::to_string(nodes->size()));
  if (values->dtype.text != "<f8" || values->fortran_order || values->shape.size() != 3 ||
      values->shape[0] != n_nodes || values->shape[1] != n_outputs || n_features < 0 ||
      n_features > INT32_MAX || n_outputs < 1 || values->shape[1] > (1 << 24) ||
      values->shape[2] > (1 << 24))
    return corrupt(name + ": its values are not one float64 row per node and output");
  SPINNEY_TRY(spend(name, 1, nodes->bytes.size(), kModelObjects));
  SPINNEY_TRY(spend(name, 1, values->bytes.size()));
  tree.nodes_ = nodes->bytes;
  tree.values_ = values->bytes;
  tree.item_size_ = nodes->dtype.item_size;
  tree.n_nodes_ = nodes->size();
  tree.n_features_ = static_cast<uint32_t>(n_features);
  tree.n_outputs_ = static_cast<uint32_t>(n_outputs);
  tree.classes_max_ = static_cast<uint32_t>(values->shape[2]);
  for (size_t i = 0; i < tree.n_nodes_; ++i) {
    if (tree.left(i) == -1) continue;
    const Status status = check_node(tree, i, tree.n_features_);
    if (!status.ok()) return corrupt(name + ", " + status.error().message);
  }
  return tree;
}

int64_t SklearnTree::whole(size_t node, size_t offset) const {
  int64_t value;
  std::memcpy(&value, nodes_.data() + node * item_size_ + offset, sizeof value);
  return value;
}

double SklearnTree::threshold(size_t node) const {
  double value;
  std::memcpy(&value, nodes_.data() + node * item_size_ + threshold_, sizeof value);
  return value;
}

bool SklearnTree::missing_left(size_t node) const {
  return missing_left_ != kAbsent && nodes_[node * item_size_ + missing_left_] != 0;
}

double SklearnTree::value(size_t node, size_t column) const {
  double value;
  const size_t width = size_t{n_outputs_} * classes_max_;
  std::memcpy(&value, values_.data() + (node * width + column) * sizeof value, sizeof value);
  return value;
}

double round_down_to_float(double threshold) {
  float rounded = static_cast<float>(threshold);
  if (static_cast<double>(rounded) > threshold)
    rounded = std::nextafter(rounded, -std::numeric_limits<float>::infinity());
  return rounded;
}

Status append_tree(
    const SklearnTree& tree, uint32_t target, ForestParts& parts,
    const std::function<void(size_t node, std::vector<double>& values)>& write_leaf) {
  const size_t width = parts.settings.leaf_width;
  for (size_t i = 0; i < tree.n_nodes(); ++i) {
    if (tree.left(i) == -1) {
      const size_t row = parts.leaf_values.size() / width;
      write_leaf(i, parts.leaf_values);
      parts.nodes.push_back(Node::leaf(static_cast<uint32_t>(row), static_cast<int32_t>(i)));
      continue;
    }
    Node node;
    node.threshold = round_down_to_float(tree.threshold(i));
    node.left = static_cast<int32_t>(tree.left(i));
    node.right = static_cast<int32_t>(tree.right(i));
    node.feature = static_cast<uint32_t>(tree.feature(i));
    node.flags = tree.missing_left(i) ? Node::kDefaultLeft : 0;
    parts.nodes.push_back(node);
  }
  if (parts.nodes.size() > UINT32_MAX || parts.leaf_values.size() > UINT32_MAX)
    return too_large("the forest has more than 4,294,967,295 nodes or leaf values");
  parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
  parts.tree_target.push_back(target);
  return {};
}

void reserve_trees(std::span<const SklearnTree> trees, ForestParts& parts) {
  size_t nodes = 0, leaves = 0;
  for (const SklearnTree& tree : trees) {
    nodes += tree.n_nodes();
    leaves += tree.n_leaves();
  }
  parts.nodes.reserve(nodes);
  parts.leaf_values.reserve(leaves * parts.settings.leaf_width);
  parts.tree_begin.reserve(trees.size() + 1);
  parts.tree_target.reserve(trees.size());
}

}  // namespace spinney::load
