#include "spinney/model/variant.h"

#include <utility>
#include <vector>

namespace spinney {
namespace {

template <typename T>
std::vector<T> part_of(const SharedArray<T>& all, size_t begin, size_t end) {
  return {all.begin() + begin, all.begin() + end};
}

}  // namespace

Result<Description> with_trees(const Description& model, size_t first, size_t behind,
                               std::string rule) {
  DescriptionParts parts = model.parts();
  const auto* forest = std::get_if<Forest>(&model.scorer);
  if (!forest || !forest->tree_weights.empty() || first > behind || behind > forest->n_trees())
    return unsupported(model.source.kind + " is no forest whose trees can be chosen");
  Forest arrays = *forest;
  const uint32_t node = forest->tree_begin[first];
  std::vector<uint32_t> begin = part_of(forest->tree_begin, first, behind + 1);
  for (uint32_t& offset : begin) offset -= node;
  arrays.tree_begin = std::move(begin);
  arrays.tree_target = part_of(forest->tree_target, first, behind);
  arrays.nodes = part_of(forest->nodes, node, forest->tree_begin[behind]);
  if (parts.trees.first + first > 0) arrays.shift = {};  // it comes with the file's first tree
  SPINNEY_ASSIGN(parts.scorer, adopt_forest(forest->settings(), std::move(arrays)));
  TreesUsed& trees = parts.trees;
  // LightGBM's random forests are the mean of the iterations that are used.
  if (parts.output.link.divisor != 1) {
    if (first == behind || trees.per_iteration == 0)
      return invalid_argument("the model is the mean of its trees, and none is left with " + rule);
    parts.output.link.divisor = static_cast<double>((behind - first) / trees.per_iteration);
  }
  trees.first += first;
  trees.rule = std::move(rule);
  return make_description(std::move(parts));
}

Result<Description> with_missing_value(const Description& model, double missing) {
  DescriptionParts parts = model.parts();
  if (const auto* forest = std::get_if<Forest>(&model.scorer)) {
    ForestSettings settings = forest->settings();
    settings.missing_value = missing;
    SPINNEY_ASSIGN(parts.scorer, adopt_forest(settings, *forest));
  } else if (const auto* linear = std::get_if<Linear>(&model.scorer)) {
    Linear other = *linear;
    other.missing_value = missing;
    SPINNEY_ASSIGN(parts.scorer, make_linear(std::move(other)));
  } else {
    return unsupported("missing goes with models of XGBoost, not with " + model.source.kind);
  }
  return make_description(std::move(parts));
}

}  // namespace spinney
