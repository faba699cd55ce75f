#include "spinney/model/description.h"

namespace spinney {

uint32_t Description::n_features() const {
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->settings().n_features;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->n_features;
  return std::get<Ensemble>(scorer).n_features;
}

uint32_t Description::n_outputs() const {
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

NumberType Description::score_type() const {
  if (const auto* forest = std::get_if<Forest>(&scorer)) return forest->settings().accumulator;
  if (const auto* linear = std::get_if<Linear>(&scorer)) return linear->arithmetic;
  return std::get<Ensemble>(scorer).arithmetic;
}

}  // namespace spinney
