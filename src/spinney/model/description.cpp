#include "spinney/model/description.h"

#include <algorithm>

namespace spinney {

Description::Description(std::shared_ptr<const DescriptionParts> parts)
    : scorer(parts->scorer),
      quantization(parts->quantization),
      output(parts->output),
      source(parts->source),
      feature_names(parts->feature_names),
      categories(parts->categories),
      number_codes(parts->number_codes),
      trees(parts->trees),
      warnings(parts->warnings),
      categories_by_position(parts->categories_by_position),
      refuses_infinity(parts->refuses_infinity),
      refuses_missing(parts->refuses_missing),
      parts_(std::move(parts)),
      n_features_(parts_->n_features()),
      n_outputs_(parts_->n_outputs()),
      score_type_(parts_->score_type()) {
  const auto* ensemble = std::get_if<Ensemble>(&scorer);
  if (!ensemble) return;
  for (const Member& member : ensemble->members) depth_ = std::max(depth_, member.model->depth());
  ++depth_;
}

uint32_t DescriptionParts::n_features() const {
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->settings().n_features;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->n_features;
  return std::get<Ensemble>(scorer).n_features;
}

uint32_t DescriptionParts::n_outputs() const {
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->settings().n_outputs;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->n_outputs;
  return std::get<Ensemble>(scorer).n_outputs;
}

size_t Description::n_trees() const {
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->n_trees();
  size_t total = 0;
  if (const auto* ensemble = std::get_if<Ensemble>(&scorer))
    for (const Member& member : ensemble->members) total += member.model->n_trees();
  return total;
}

size_t Description::bytes() const {
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->bytes();
  if (const auto* linear = std::get_if<Linear>(&scorer))
    return linear->weights.bytes() + linear->bias.bytes();
  size_t total = 0;
  for (const Member& member : std::get<Ensemble>(scorer).members)
    total += member.model->bytes() + member.features.size() * sizeof(uint32_t) +
             member.classes.size() * sizeof(uint32_t);
  return total;
}

NumberType DescriptionParts::score_type() const {
  if (quantization) return quantization->score_type;
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->settings().accumulator;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->score_type();
  return std::get<Ensemble>(scorer).arithmetic;
}

Result<bool> Description::absent_is_missing() const {
  if (const auto* forest = std::get_if<Forest>(&scorer))
    return forest->settings().absent_is_missing;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->absent_is_missing;
  const auto& members = std::get<Ensemble>(scorer).members;
  std::optional<bool> agreed;
  for (const Member& member : members) {
    SPINNEY_ASSIGN(const bool missing, member.model->absent_is_missing());
    if (agreed.value_or(missing) != missing)
      return unsupported(
          "some members of this ensemble take absent entries of sparse input for missing and "
          "others for zero; give dense rows");
    agreed = missing;
  }
  return agreed.value_or(false);
}

}  // namespace spinney
