// The trees of an XGBoost model, from its fields into the canonical form.
#pragma once

#include "spinney/load/document/document.h"
#include "spinney/load/xgboost/iterations.h"
#include "spinney/model/forest.h"

namespace spinney::load::xgboost {

struct TreesContext {
  uint32_t n_outputs = 1;
  // DART: each tree's weight, which its leaves are multiplied by in float32; empty: none.
  std::vector<float> weights;
  // Booster.inplace_predict adds ((base + leaf) - base) * weight, which rounds differently from the
  // leaf * weight of Booster.predict; then both are kept.
  bool weights_in_place = false;
  Iterations iterations;  // whose trees are kept
};

// Fills nodes, leaves, categories and targets of parts from the "model" object of a gbtree.
// Refuses, naming the tree and node, whatever contradicts itself; make_forest() checks the rest.
Status read_trees(const Field& model, const TreesContext& context, ForestParts& parts);

}  // namespace spinney::load::xgboost
