#include "spinney/plan/merged_forests.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "spinney/model/description.h"

namespace spinney::plan {
namespace {

using Group = std::vector<uint32_t>;

const Forest* forest_of(const Graph& graph, uint32_t node) {
  const auto* score = std::get_if<ScoreNode>(&graph.nodes()[node]);
  return score ? std::get_if<Forest>(&score->model->scorer) : nullptr;
}

// Sums of one value a tree, whose rows nothing is done to first.
bool can_merge(const Description& model, const Forest& forest) {
  const ForestSettings& settings = forest.settings();
  return settings.reduction == Reduction::kSum && settings.leaf_width == 1 && settings.scale == 1 &&
         std::isnan(settings.missing_value) && forest.shift.empty() &&
         forest.matrix_leaf_values.empty() && forest.linear_leaves.empty() &&
         model.number_codes.empty() && !model.parts().category_tables && !model.quantization &&
         forest.n_trees() > 0;
}

// What forests must have in common to be one.
auto likeness(const ScoreNode& score, const ForestSettings& settings) {
  return std::tuple(score.from, settings.input, settings.comparison, settings.accumulator,
                    settings.divisor, settings.absent_is_missing);
}

std::vector<Group> group(const Graph& graph) {
  std::map<decltype(likeness(ScoreNode(), ForestSettings())), Group> groups;
  std::map<std::pair<uint32_t, const Description*>, size_t> asked;  // how often
  for (const ScoreNode* score : graph.scorers()) ++asked[{score->from, score->model.get()}];
  for (uint32_t i = 0; i < graph.nodes().size(); ++i) {
    const Forest* forest = forest_of(graph, i);
    if (!forest) continue;
    const auto& score = std::get<ScoreNode>(graph.nodes()[i]);
    // One that is asked for several answers is one pass already.
    if (asked[{score.from, score.model.get()}] == 1 && can_merge(*score.model, *forest))
      groups[likeness(score, forest->settings())].push_back(i);
  }
  std::vector<Group> found;
  for (auto& [like, members] : groups)
    if (members.size() > 1) found.push_back(std::move(members));
  return found;
}

template <typename T>
void append(std::vector<T>& all, const SharedArray<T>& some) {
  all.insert(all.end(), some.begin(), some.end());
}

void append(const Forest& forest, ForestParts& all) {
  const auto leaf_rows = static_cast<uint32_t>(all.leaf_values.size());
  const auto sets = static_cast<double>(all.category_sets.size());
  const auto words = static_cast<uint32_t>(all.category_words.size());
  const auto first_node = static_cast<uint32_t>(all.nodes.size());
  for (Node node : forest.nodes) {
    if (node.is_leaf())
      node.feature += leaf_rows;
    else if (node.is_categorical())
      node.threshold += sets;
    all.nodes.push_back(node);
  }
  for (CategorySet set : forest.category_sets) {
    set.first_word += words;
    all.category_sets.push_back(set);
  }
  for (size_t t = 0; t < forest.n_trees(); ++t) {
    all.tree_begin.push_back(first_node + forest.tree_begin[t + 1]);
    all.tree_target.push_back(all.settings.n_outputs + forest.tree_target[t]);
  }
  append(all.leaf_values, forest.leaf_values);
  append(all.base, forest.base);
  append(all.category_words, forest.category_words);
  all.settings.n_outputs += forest.settings().n_outputs;
}

// Offsets of nodes and leaves are numbers of 32 bits.
bool fits(const Graph& graph, const Group& members) {
  size_t nodes = 0, leaves = 0, words = 0;
  for (const uint32_t node : members) {
    nodes += forest_of(graph, node)->n_nodes();
    leaves += forest_of(graph, node)->leaf_values.size();
    words += forest_of(graph, node)->category_words.size();
  }
  return nodes < UINT32_MAX && leaves < UINT32_MAX && words < UINT32_MAX;
}

Result<MergedForests> merge(const Graph& graph, const Group& members, Allowance& allowance) {
  MergedForests merged;
  ForestParts all;
  all.settings = forest_of(graph, members[0])->settings();
  all.settings.n_outputs = 0;
  merged.type = all.settings.accumulator;
  for (const uint32_t node : members) {
    merged.members.push_back({node, all.settings.n_outputs});
    append(*forest_of(graph, node), all);
  }
  merged.n_outputs = all.settings.n_outputs;
  DescriptionParts parts;
  parts.output.value_type = merged.type;
  SPINNEY_ASSIGN(parts.scorer, make_forest(std::move(all)));
  SPINNEY_ASSIGN(Description made, make_description(std::move(parts)));
  SPINNEY_ASSIGN(merged.plan,
                 make_plan(std::make_shared<const Description>(std::move(made)), allowance));
  return merged;
}

template <typename Real>
void copy_scores(const Real* numbers, size_t rows, size_t stride, size_t n, Real* scores) {
  for (size_t r = 0; r < rows; ++r) std::copy_n(numbers + r * stride, n, scores + r * n);
}

}  // namespace

void MergedScores::score(const Rows& rows, void* scores, unsigned /*num_threads*/) const {
  const size_t stride = forests_.n_outputs;
  if (forests_.type == NumberType::kFloat32)
    copy_scores(reinterpret_cast<const float*>(numbers_) + first_, rows.count, stride, n_,
                static_cast<float*>(scores));
  else
    copy_scores(numbers_ + first_, rows.count, stride, n_, static_cast<double*>(scores));
}

std::vector<MergedForests> merge_forests(const Graph& graph, Allowance& allowance) {
  std::vector<MergedForests> merged;
  for (const Group& members : group(graph)) {
    if (!fits(graph, members)) continue;
    auto made = merge(graph, members, allowance);
    if (made.ok()) merged.push_back(std::move(made).value());
  }
  return merged;
}

}  // namespace spinney::plan
