#include <algorithm>
#include <utility>

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

namespace {

Result<std::shared_ptr<const Description>> shared(DescriptionParts parts) {
  SPINNEY_ASSIGN(Description made, make_description(std::move(parts)));
  return std::make_shared<const Description>(std::move(made));
}

Result<std::shared_ptr<const Description>> promoted_linear(const Description& model) {
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

}  // namespace

Result<std::shared_ptr<const Description>> promoted(const Description& model) {
  if (std::holds_alternative<Linear>(model.scorer)) return promoted_linear(model);
  const auto* ensemble = std::get_if<Ensemble>(&model.scorer);
  if (!ensemble) return std::shared_ptr<const Description>();
  std::vector<Member> members = ensemble->members;
  bool any = false;
  for (Member& member : members) {
    SPINNEY_ASSIGN(auto wide, promoted(*member.model));
    if (!wide) continue;
    member.model = std::move(wide);
    any = true;
  }
  if (!any) return std::shared_ptr<const Description>();
  DescriptionParts wide = model.parts();
  auto& sums = std::get<Ensemble>(wide.scorer);
  sums.members = std::move(members);
  if (wide.output.value_type == sums.arithmetic) wide.output.value_type = widest(sums);
  sums.arithmetic = widest(sums);
  return shared(std::move(wide));
}

}  // namespace spinney
