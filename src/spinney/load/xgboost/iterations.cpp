#include "spinney/load/xgboost/iterations.h"

#include <algorithm>

namespace spinney::load::xgboost {
namespace {

// The first tree of each iteration, and behind the last one the number of trees.
using FirstTrees = std::vector<int64_t>;

// "iteration_indptr" says it since 1.7.
Result<FirstTrees> read_first_trees(const Field& field, size_t n_trees) {
  FirstTrees first;
  SPINNEY_TRY(field.read(first, "iteration_indptr"));
  if (first.empty()) return corrupt("\"iteration_indptr\" is empty");
  for (const int64_t n : first)
    if (n < 0 || static_cast<size_t>(n) > n_trees)
      return corrupt("\"iteration_indptr\" holds " + std::to_string(n) + ", but there are " +
                     std::to_string(n_trees) + " trees");
  if (!std::is_sorted(first.begin(), first.end()))
    return corrupt("\"iteration_indptr\" does not ascend");
  return first;
}

// Outputs beyond the trees there are, which a file may claim and is refused for when its trees are
// read, count as one more than those.
int64_t groups_of(const std::vector<int64_t>& targets) {
  const auto n_trees = static_cast<int64_t>(targets.size());
  int64_t groups = 1;
  for (const int64_t target : targets) groups = std::max(groups, std::min(target, n_trees) + 1);
  return groups;
}

// Before that each iteration has num_parallel_tree trees an output, which files name since 1.6.
Result<FirstTrees> count_first_trees(const Field& model, const std::vector<int64_t>& targets,
                                     int64_t otherwise) {
  const auto n_trees = static_cast<int64_t>(targets.size());
  int64_t parallel = std::max<int64_t>(otherwise, 1);
  if (const Field param = model.find("gbtree_model_param").find("num_parallel_tree")) {
    SPINNEY_ASSIGN(parallel, param.integer("num_parallel_tree"));
  }
  if (parallel < 1 || parallel > std::max<int64_t>(n_trees, 1))
    return corrupt("\"num_parallel_tree\" is " + std::to_string(parallel));
  const int64_t step = groups_of(targets) * parallel;
  FirstTrees first;
  for (int64_t tree = 0; tree <= n_trees; tree += step) first.push_back(tree);
  return first;
}

Result<FirstTrees> first_trees(const Field& model, const std::vector<int64_t>& targets,
                               const Iterations& iterations) {
  if (const Field field = model.find("iteration_indptr"))
    return read_first_trees(field, targets.size());
  return count_first_trees(model, targets, iterations.parallel_trees);
}

}  // namespace

uint64_t trees_per_iteration(const Field& model, const Iterations& iterations) {
  const Field info = model.find("tree_info");
  std::vector<int64_t> targets;
  if (iterations.trees_per_output > 0 || !info || !info.read(targets, "tree_info").ok()) return 0;
  const auto first = first_trees(model, targets, iterations);
  if (!first.ok() || first->size() < 2) return 0;
  const int64_t step = (*first)[1] - (*first)[0];
  for (size_t i = 1; i < first->size(); ++i)
    if ((*first)[i] - (*first)[i - 1] != step) return 0;
  const bool covers = first->front() == 0 && first->back() == static_cast<int64_t>(targets.size());
  return covers && step > 0 ? static_cast<uint64_t>(step) : 0;
}

Result<TreeRange> tree_range(const Field& model, const std::vector<int64_t>& targets,
                             const Iterations& iterations) {
  const size_t n_trees = targets.size();
  if (iterations.trees_per_output > 0) {
    const int64_t groups = groups_of(targets);
    const auto most = static_cast<int64_t>(n_trees) / groups;
    if (iterations.trees_per_output > most)
      return corrupt(iterations.rule + ", but there are only " + std::to_string(most) +
                     " trees for each output");
    return TreeRange{0, static_cast<size_t>(iterations.trees_per_output * groups)};
  }
  if (iterations.begin == 0 && iterations.end < 0) return TreeRange{0, n_trees};
  SPINNEY_ASSIGN(const FirstTrees first, first_trees(model, targets, iterations));
  const auto count = static_cast<int64_t>(first.size()) - 1;
  const int64_t end = iterations.end < 0 ? count : iterations.end;
  if (end > count || iterations.begin > end) {
    const std::string message =
        iterations.rule + ", but the model has " + std::to_string(count) + " iterations";
    return iterations.is_asked ? invalid_argument(message) : corrupt(message);
  }
  return TreeRange{static_cast<size_t>(first[static_cast<size_t>(iterations.begin)]),
                   static_cast<size_t>(first[static_cast<size_t>(end)])};
}

}  // namespace spinney::load::xgboost
