// The trees of an XGBoost model, from its fields into the canonical form.
#pragma once

#include "spinney/load/xgboost_document.h"
#include "spinney/model/forest.h"

namespace spinney::load::xgboost {

struct TreesContext {
  uint32_t n_outputs = 1;
  // DART: each tree's weight, which its leaves are multiplied by in float32; empty: none.
  std::vector<float> weights;
  // Only trees [0, n_trees_used) are kept, as the scikit-learn wrappers stop early.
  size_t n_trees_used = SIZE_MAX;
};

// Fills nodes, leaves, categories and targets of parts from the "model" object of a gbtree.
// Refuses, naming the tree and node, whatever contradicts itself; make_forest() checks the rest.
Status read_trees(const Field& model, const TreesContext& context, ForestParts& parts);

}  // namespace spinney::load::xgboost
