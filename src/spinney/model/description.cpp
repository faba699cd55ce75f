#include "spinney/model/description.h"

#include "spinney/model/graph.h"

namespace spinney {

Description::Description(std::shared_ptr<const DescriptionParts> parts)
    : scorer(parts->scorer),
      quantization(parts->quantization),
      output(parts->output),
      source(parts->source),
      feature_names(parts->feature_names),
      categories(parts->categories),
      number_codes(parts->number_codes),
      category_tables(parts->category_tables),
      schema(parts->schema),
      trees(parts->trees),
      warnings(parts->warnings),
      categories_by_position(parts->categories_by_position),
      refuses_infinity(parts->refuses_infinity),
      refuses_missing(parts->refuses_missing),
      parts_(std::move(parts)),
      n_features_(parts_->n_features()),
      n_outputs_(parts_->n_outputs()),
      score_type_(parts_->score_type()) {
  if (const auto* graph = std::get_if<GraphPtr>(&scorer)) depth_ = (*graph)->depth();
}

uint32_t DescriptionParts::n_features() const {
  if (category_tables) return category_tables->n_inputs;
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->settings().n_features;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->n_features;
  return std::get<GraphPtr>(scorer)->n_features();
}

uint32_t DescriptionParts::n_outputs() const {
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->settings().n_outputs;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->n_outputs;
  return std::get<GraphPtr>(scorer)->n_outputs();
}

size_t Description::n_trees() const {
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->n_trees();
  size_t total = 0;
  if (const auto* graph = std::get_if<GraphPtr>(&scorer))
    for (const ScoreNode* score : (*graph)->scorers()) total += score->model->n_trees();
  return total;
}

size_t Description::bytes() const {
  if (const auto* forest = std::get_if<Forest>(&scorer))
    return forest->bytes() + (category_tables ? category_tables->bytes() : 0);
  if (const auto* linear = std::get_if<Linear>(&scorer))
    return linear->weights.bytes() + linear->bias.bytes();
  size_t total = 0;
  for (const GraphNode& node : std::get<GraphPtr>(scorer)->nodes()) {
    total += sizeof node;
    if (const auto* score = std::get_if<ScoreNode>(&node)) total += score->model->bytes();
    if (const auto* select = std::get_if<SelectNode>(&node))
      total += select->columns.size() * sizeof(uint32_t);
  }
  return total;
}

NumberType DescriptionParts::score_type() const {
  if (quantization) return quantization->score_type;
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->settings().accumulator;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->score_type();
  return std::get<GraphPtr>(scorer)->score_type();
}

Result<bool> Description::absent_is_missing() const {
  if (const auto* forest = std::get_if<Forest>(&scorer))
    return forest->settings().absent_is_missing;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->absent_is_missing;
  const Graph& graph = *std::get<GraphPtr>(scorer);
  std::optional<bool> agreed;
  for (const ScoreNode* score : graph.scorers()) {
    if (!graph.shape(score->from).reads_input) continue;
    SPINNEY_ASSIGN(const bool missing, score->model->absent_is_missing());
    if (agreed.value_or(missing) != missing)
      return unsupported(
          "some members of this ensemble take absent entries of sparse input for missing and "
          "others for zero; give dense rows");
    agreed = missing;
  }
  return agreed.value_or(false);
}

}  // namespace spinney
