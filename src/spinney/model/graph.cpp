#include "spinney/model/graph.h"

#include <string>

namespace spinney {

std::vector<uint32_t> Graph::origins(uint32_t node) const {
  std::vector<uint32_t> found(shapes_[node].columns, kNoNode);
  if (!shapes_[node].reads_input) return found;
  const GraphNode& kind = nodes_[node];
  if (const auto* select = std::get_if<SelectNode>(&kind)) {
    const std::vector<uint32_t> inner = origins(select->from);
    for (size_t i = 0; i < found.size(); ++i) found[i] = inner[select->columns[i]];
  } else if (const auto* join = std::get_if<JoinNode>(&kind)) {
    size_t at = 0;
    for (const uint32_t from : join->from)
      for (const uint32_t column : origins(from)) found[at++] = column;
  } else {
    for (uint32_t i = 0; i < found.size(); ++i) found[i] = i;
  }
  return found;
}

std::vector<const ScoreNode*> Graph::scorers() const {
  std::vector<const ScoreNode*> found;
  for (const GraphNode& node : nodes_)
    if (const auto* score = std::get_if<ScoreNode>(&node)) found.push_back(score);
  return found;
}

Result<GraphPtr> GraphBuilder::finish(GraphAnswers answers) && {
  const size_t count = graph_.nodes_.size();
  std::vector<bool> used(count, false);
  const auto use = [&](uint32_t node, bool of_classes) -> Status {
    if (node >= count)
      return corrupt("the graph answers by node " + std::to_string(node) + " of " +
                     std::to_string(count));
    const ColumnType type = graph_.shapes_[node].type;
    const GraphNode& kind = graph_.nodes_[node];
    if (std::holds_alternative<InputNode>(kind) || std::holds_alternative<SelectNode>(kind) ||
        type == ColumnType::kAsGiven || (type == ColumnType::kClass) != of_classes)
      return corrupt("the graph answers by node " + std::to_string(node) + ", which computes no " +
                     (of_classes ? "classes" : "numbers"));
    used[node] = true;
    return {};
  };
  SPINNEY_TRY(use(answers.scores, false));
  if (answers.values != kNoNode) SPINNEY_TRY(use(answers.values, false));
  if (answers.classes != kNoNode) SPINNEY_TRY(use(answers.classes, true));
  for (size_t i = count; i-- > 0;) {
    if (!used[i] && i > 0)
      return corrupt("nothing reads node " + std::to_string(i) + " of the graph's " +
                     std::to_string(count));
    for_each_read(graph_.nodes_[i], [&](uint32_t from) { used[from] = true; });
  }
  graph_.answers_ = answers;
  return std::make_shared<const Graph>(std::move(graph_));
}

}  // namespace spinney
