#include <algorithm>
#include <utility>

#include "spinney/model/description.h"
#include "spinney/model/graph.h"
#include "spinney/model/stored_entries.h"

namespace spinney {

bool Description::sums_stored_entries() const {
  const auto* held = std::get_if<GraphPtr>(&scorer);
  if (!held) return std::holds_alternative<Linear>(scorer);
  const Graph& graph = **held;
  const auto scorers = graph.scorers();
  return std::any_of(scorers.begin(), scorers.end(), [&](const ScoreNode* score) {
    return graph.shape(score->from).reads_input && score->model->sums_stored_entries();
  });
}

bool reads_cells(const Description& model) {
  const auto* held = std::get_if<GraphPtr>(&model.scorer);
  if (!held) return std::holds_alternative<Forest>(model.scorer);
  const Graph& graph = **held;
  for (const GraphNode& node : graph.nodes())
    if (const auto* join = std::get_if<JoinNode>(&node))
      for (const uint32_t from : join->from)
        if (graph.shape(from).reads_input) return true;
  const auto scorers = graph.scorers();
  return std::any_of(scorers.begin(), scorers.end(), [&](const ScoreNode* score) {
    return graph.shape(score->from).reads_input && reads_cells(*score->model);
  });
}

namespace {

using Promoted = Result<std::shared_ptr<const Description>>;

Promoted shared(DescriptionParts parts) {
  SPINNEY_ASSIGN(Description made, make_description(std::move(parts)));
  return std::make_shared<const Description>(std::move(made));
}

Promoted promoted_linear(const Description& model) {
  const auto& linear = std::get<Linear>(model.scorer);
  if (linear.arithmetic == NumberType::kFloat64 || linear.skip_missing)
    return std::shared_ptr<const Description>();
  DescriptionParts wide = model.parts();
  auto& sums = std::get<Linear>(wide.scorer);
  sums.arithmetic = NumberType::kFloat64;
  sums.wide_intercept = false;
  wide.output.value_type = NumberType::kFloat64;
  if (wide.quantization) wide.quantization->score_type = NumberType::kFloat64;
  return shared(std::move(wide));
}

// A graph adds in the widest of its parts' types, as numpy does.
void widen(CombineNode& combine, const GraphBuilder& builder) {
  for (const CombinedPart& part : combine.parts)
    if (builder.shape(part.from).type == ColumnType::kFloat64)
      combine.arithmetic = NumberType::kFloat64;
}

// A model whose input stays in float32 whatever the rows are goes on as it is.
Promoted promoted_node(const ScoreNode& score, const GraphBuilder& builder) {
  if (builder.shape(score.from).type == ColumnType::kFloat32)
    return std::shared_ptr<const Description>();
  return promoted(*score.model);
}

Promoted promoted_graph(const Description& model) {
  const Graph& graph = *std::get<GraphPtr>(model.scorer);
  GraphBuilder builder;
  bool any = false;
  for (GraphNode node : graph.nodes()) {
    if (auto* score = std::get_if<ScoreNode>(&node)) {
      SPINNEY_ASSIGN(auto wide, promoted_node(*score, builder));
      any = any || wide;
      if (wide) score->model = std::move(wide);
    } else if (auto* combine = std::get_if<CombineNode>(&node)) {
      if (any) widen(*combine, builder);
    }
    SPINNEY_TRY(builder.add(std::move(node)));
  }
  if (!any) return std::shared_ptr<const Description>();
  DescriptionParts wide = model.parts();
  SPINNEY_ASSIGN(wide.scorer, std::move(builder).finish(graph.answers()));
  if (wide.output.value_type == graph.score_type()) wide.output.value_type = wide.score_type();
  return shared(std::move(wide));
}

}  // namespace

Result<std::shared_ptr<const Description>> promoted(const Description& model) {
  if (std::holds_alternative<Linear>(model.scorer)) return promoted_linear(model);
  if (std::holds_alternative<GraphPtr>(model.scorer)) return promoted_graph(model);
  return std::shared_ptr<const Description>();
}

}  // namespace spinney
