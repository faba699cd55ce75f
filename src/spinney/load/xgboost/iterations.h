// Which of an XGBoost model's trees predict: those of a range of iterations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spinney/load/document/document.h"

namespace spinney::load::xgboost {

// What is asked for: iterations begin to end - 1.
struct Iterations {
  int64_t begin = 0;
  int64_t end = -1;  // -1: all that there are
  // Until 1.5 files name no num_parallel_tree, but the trees of each output that count: the
  // wrapper's best_ntree_limit, which then stands for `end`. 0: not known.
  int64_t trees_per_output = 0;
  // The trees of an iteration and output, where the file has no better knowledge; 0: not known.
  int64_t parallel_trees = 0;
  bool is_asked = false;  // by the caller, not by the file: an end that is not there is his mistake
  std::string rule;       // what says so, as in TreesUsed
};

struct TreeRange {
  size_t begin = 0, end = 0;
};

// model: a gbtree's "model" object; targets: its "tree_info".
Result<TreeRange> tree_range(const Field& model, const std::vector<int64_t>& targets,
                             const Iterations& iterations);

// The trees of each iteration; 0 where they differ, or where the file does not say.
uint64_t trees_per_iteration(const Field& model, const Iterations& iterations);

}  // namespace spinney::load::xgboost
