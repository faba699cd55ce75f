// IsolationForest: sums of path lengths; its link makes score_samples of them.
#include <cmath>
#include <numbers>

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/nodes.h"
#include "spinney/load/sklearn/sklearn.h"

namespace spinney::load {
namespace {

// Average path length of an unsuccessful search among n samples, as scikit-learn has it.
double average_path_length(double n) {
  if (n <= 1) return 0;
  if (n == 2) return 1;
  return 2.0 * (std::log(n - 1.0) + std::numbers::egamma) - 2.0 * (n - 1.0) / n;
}

// Depth of every node of the last tree in parts, the root's being 1.
std::vector<double> node_depths(const ForestParts& parts, size_t first) {
  std::vector<double> depths(parts.nodes.size() - first, 1);
  std::vector<uint32_t> stack{0};
  for (size_t left = depths.size(); !stack.empty() && left > 0; --left) {
    const uint32_t i = stack.back();
    stack.pop_back();
    const Node& node = parts.nodes[first + i];
    if (node.is_leaf()) continue;
    for (const int32_t child : {node.left, node.right}) {
      if (child <= 0 || static_cast<size_t>(child) >= depths.size()) continue;  // refused later
      depths[static_cast<size_t>(child)] = depths[i] + 1;
      stack.push_back(static_cast<uint32_t>(child));
    }
  }
  return depths;
}

// The numpy results that scikit-learn keeps since 1.3, whose logarithms may differ from libm's in
// the last bit; empty where the version kept none.
Result<std::vector<double>> kept_lengths(const Record& record, size_t t, size_t n_nodes) {
  constexpr std::string_view kName = "_average_path_length_per_tree";
  if (!optional_attribute(record, kName)) return std::vector<double>{};
  SPINNEY_ASSIGN(const List* const lists, list_attribute(record, kName));
  if (t >= lists->size()) return corrupt(place(record, kName) + " lacks tree " + std::to_string(t));
  SPINNEY_ASSIGN(std::vector<double> lengths, to_doubles((*lists)[t], place(record, kName)));
  if (lengths.size() != n_nodes)
    return corrupt(place(record, kName) + " does not match the nodes of tree " + std::to_string(t));
  return lengths;
}

Status add_tree(const Record& record, const SklearnTree& tree, size_t t,
                const std::vector<int64_t>& columns, ForestParts& parts) {
  const size_t first = parts.nodes.size();
  const size_t n_features = columns.empty() ? parts.settings.n_features : columns.size();
  if (tree.n_features() != n_features)
    return corrupt(record.full_name() + ": tree " + std::to_string(t) + " reads " +
                   std::to_string(tree.n_features()) + " columns and is given " +
                   std::to_string(n_features));
  SPINNEY_ASSIGN(const std::vector<double> kept, kept_lengths(record, t, tree.n_nodes()));
  SPINNEY_TRY(append_tree(tree, 0, parts,
                          [](size_t, std::vector<double>& values) { values.push_back(0); }));
  const std::vector<double> depths = node_depths(parts, first);
  for (size_t i = 0; i < depths.size(); ++i) {
    Node& node = parts.nodes[first + i];
    if (node.is_leaf()) {
      const double length =
          kept.empty() ? average_path_length(static_cast<double>(tree.n_node_samples(i))) : kept[i];
      parts.leaf_values[node.leaf_row()] = (depths[i] + length) - 1.0;
    } else if (!columns.empty()) {
      if (node.feature >= columns.size())
        return corrupt(record.full_name() + ": tree " + std::to_string(t) + ", node " +
                       std::to_string(i) + " reads a column beyond its own");
      node.feature = static_cast<uint32_t>(columns[node.feature]);
    }
  }
  return {};
}

}  // namespace

Result<DescriptionParts> describe_sklearn_isolation(const Record& record,
                                                    DescribeContext& /*context*/) {
  DescriptionParts description;
  ForestParts parts;
  ForestSettings& s = parts.settings;
  SPINNEY_TRY(read_sklearn_common(record, description, s.n_features));
  s.comparison = Comparison::kLessEqual;
  s.accumulator = NumberType::kFloat64;
  parts.base = {0};
  SPINNEY_ASSIGN(const List* const members, list_attribute(record, "estimators_"));
  SPINNEY_ASSIGN(const List* const features, list_attribute(record, "estimators_features_"));
  const std::string what = place(record, "estimators_features_");
  if (members->empty() || features->size() != members->size())
    return corrupt(what + " has " + std::to_string(features->size()) + " entries for " +
                   std::to_string(members->size()) + " estimators");
  for (size_t t = 0; t < members->size(); ++t) {
    const Record* estimator = (*members)[t].record();
    if (!estimator) return corrupt(place(record, "estimators_") + " holds something not a tree");
    SPINNEY_ASSIGN(std::vector<int64_t> columns, to_integers((*features)[t], what));
    for (const int64_t column : columns)
      if (column < 0 || column >= s.n_features)
        return corrupt(what + " names column " + std::to_string(column) + " of " +
                       std::to_string(s.n_features));
    if (columns.size() == s.n_features)
      columns.clear();  // scikit-learn then reads rows as they are
    SPINNEY_ASSIGN(const SklearnTree tree, SklearnTree::read(*estimator, t));
    SPINNEY_TRY(add_tree(record, tree, t, columns, parts));
  }
  const bool kept = optional_attribute(record, "_max_samples") != nullptr;
  SPINNEY_ASSIGN(const double samples,
                 number_attribute(record, kept ? "_max_samples" : "max_samples_"));
  SPINNEY_ASSIGN(const double offset, number_attribute(record, "offset_"));
  Output& output = description.output;
  output.task = Task::kOutlier;
  output.objective = "isolation";
  output.value_type = NumberType::kFloat64;
  output.link.kind = LinkKind::kIsolation;
  output.link.parameter = static_cast<double>(members->size()) * average_path_length(samples);
  output.decision = Decision::kOutlier;
  output.threshold = offset;
  SPINNEY_ASSIGN(description.scorer, make_forest(std::move(parts)));
  return description;
}

}  // namespace spinney::load
