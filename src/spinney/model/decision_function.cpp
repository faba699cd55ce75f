#include "spinney/model/decision_function.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "spinney/model/description.h"
#include "spinney/model/graph.h"

namespace spinney {
namespace {

// Of those that are no graphs.
constexpr std::array<std::string_view, 5> kClassifiers = {
    "AdaBoostClassifier", "GradientBoostingClassifier", "HistGradientBoostingClassifier",
    "LogisticRegression", "LogisticRegressionCV"};

bool is_constant(const GraphNode& node) { return std::holds_alternative<LabelNode>(node); }

// Where a graph's scores come from: behind what only puts columns side by side or makes them
// float64. What names a constant stands for a class that the training did not tell apart.
const GraphNode& origin_of_scores(const Graph& graph) {
  const auto& nodes = graph.nodes();
  const GraphNode* node = &nodes[graph.answers().scores];
  while (true) {
    const auto* join = std::get_if<JoinNode>(node);
    const auto* map = std::get_if<MapNode>(node);
    if (!join && (!map || map->function != Function::kDouble)) return *node;
    uint32_t from = join ? join->from[0] : map->from;
    for (size_t i = 1; join && i < join->from.size() && is_constant(nodes[from]); ++i)
      from = join->from[i];
    node = &nodes[from];
  }
}

// Voting and calibration have probabilities alone; Bagging has the mean of what its members have.
DecisionFunction of_mean(const Description& model, const Graph& graph) {
  if (model.source.kind == "VotingClassifier" || model.source.kind == "CalibratedClassifierCV")
    return DecisionFunction::kNone;
  const auto scorers = graph.scorers();
  const bool any = std::any_of(scorers.begin(), scorers.end(), [](const ScoreNode* score) {
    return decision_function_of(*score->model) != DecisionFunction::kNone;
  });
  return any ? DecisionFunction::kElsewhere : DecisionFunction::kNone;
}

DecisionFunction of_graph(const Description& model, const Graph& graph) {
  const GraphNode& scores = origin_of_scores(graph);
  if (const auto* score = std::get_if<ScoreNode>(&scores))
    return score->answer == AnswerOf::kRaw ? decision_function_of(*score->model)
                                           : DecisionFunction::kNone;
  if (std::holds_alternative<CombineNode>(scores))
    return model.source.kind == "AdaBoostClassifier" ? DecisionFunction::kRaw
                                                     : of_mean(model, graph);
  return std::holds_alternative<PairwiseVotesNode>(scores) ? DecisionFunction::kRaw
                                                           : DecisionFunction::kNone;
}

}  // namespace

DecisionFunction decision_function_of(const Description& model) {
  if (model.source.library != "sklearn") return DecisionFunction::kNone;
  if (model.output.decision == Decision::kOutlier) return DecisionFunction::kSamples;
  if (model.output.decision == Decision::kValues || model.output.labels.empty())
    return DecisionFunction::kNone;
  if (const auto* graph = std::get_if<GraphPtr>(&model.scorer)) return of_graph(model, **graph);
  const bool named =
      std::find(kClassifiers.begin(), kClassifiers.end(), model.source.kind) != kClassifiers.end();
  return named ? DecisionFunction::kRaw : DecisionFunction::kNone;
}

}  // namespace spinney
