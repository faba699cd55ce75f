#include <algorithm>

#include "spinney/model/description.h"
#include "spinney/model/stored_entries.h"

namespace spinney {
namespace {

// An ensemble adds in the widest of its members' types, as numpy does.
NumberType widest(const Ensemble& ensemble) {
  const bool wide =
      std::any_of(ensemble.members.begin(), ensemble.members.end(),
                  [](const auto& m) { return m.model->output.value_type == NumberType::kFloat64; });
  return wide ? NumberType::kFloat64 : ensemble.arithmetic;
}

}  // namespace

bool Description::sums_stored_entries() const {
  if (const auto* ensemble = std::get_if<Ensemble>(&scorer))
    return std::any_of(ensemble->members.begin(), ensemble->members.end(),
                       [](const Member& m) { return m.model->sums_stored_entries(); });
  return std::holds_alternative<Linear>(scorer);
}

bool reads_cells(const Description& model) {
  if (const auto* ensemble = std::get_if<Ensemble>(&model.scorer))
    return std::any_of(ensemble->members.begin(), ensemble->members.end(),
                       [](const Member& m) { return reads_cells(*m.model); });
  return std::holds_alternative<Forest>(model.scorer);
}

std::shared_ptr<const Description> promoted(const Description& model) {
  if (const auto* linear = std::get_if<Linear>(&model.scorer)) {
    if (linear->arithmetic == NumberType::kFloat64 || linear->skip_missing) return nullptr;
    auto wide = std::make_shared<Description>(model);
    auto& sums = std::get<Linear>(wide->scorer);
    sums.arithmetic = NumberType::kFloat64;
    sums.wide_intercept = false;
    wide->output.value_type = NumberType::kFloat64;
    if (wide->quantization) wide->quantization->score_type = NumberType::kFloat64;
    return wide;
  }
  const auto* ensemble = std::get_if<Ensemble>(&model.scorer);
  if (!ensemble) return nullptr;
  std::shared_ptr<Description> wide;
  for (size_t m = 0; m < ensemble->members.size(); ++m) {
    auto member = promoted(*ensemble->members[m].model);
    if (!member) continue;
    if (!wide) wide = std::make_shared<Description>(model);
    std::get<Ensemble>(wide->scorer).members[m].model = std::move(member);
  }
  if (!wide) return nullptr;
  auto& sums = std::get<Ensemble>(wide->scorer);
  if (wide->output.value_type == sums.arithmetic) wide->output.value_type = widest(sums);
  sums.arithmetic = widest(sums);
  return wide;
}

}  // namespace spinney
