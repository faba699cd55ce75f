#include "spinney/model/refusals.h"

#include <cmath>
#include <numeric>
#include <span>

#include "spinney/model/graph.h"
#include "spinney/model/stored_entries.h"

namespace spinney {
namespace {

// XGBoost and scikit-learn's trees convert to float32 before they look.
bool looks_at_floats(const Description& model) {
  if (const auto* forest = std::get_if<Forest>(&model.scorer))
    return forest->settings().input == NumberType::kFloat32;
  return model.source.library == "xgboost";
}

bool refuses_infinity(const Description& model, bool by_matrix) {
  if (model.source.library != "xgboost") return model.refuses_infinity;
  // To a DMatrix whose missing value is infinite, of either sign, no infinity is an error.
  return (model.refuses_infinity || by_matrix) && !std::isinf(missing_value_of(model));
}

// scikit-learn's trees take NaN in dense rows alone; IsolationForest does not look.
bool refuses_missing(const Description& model, bool sparse) {
  const auto& source = model.source;
  const bool trees = std::holds_alternative<Forest>(model.scorer) && looks_at_floats(model);
  return model.refuses_missing ||
         (sparse && trees && source.library == "sklearn" && source.kind != "IsolationForest");
}

struct Form {
  bool by_matrix = false, sparse = false;
};

// columns: where in the flags each of the model's features is; kNoNode: in none, it is computed.
void add(const Description& model, std::span<const uint32_t> columns, Form form,
         std::vector<uint8_t>& flags) {
  uint8_t all = 0;
  if (refuses_missing(model, form.sparse)) all |= kRefusesNan;
  if (refuses_infinity(model, form.by_matrix))
    all |= looks_at_floats(model) ? kRefusesInfinityAsFloat : kRefusesInfinity;
  for (const uint32_t column : columns)
    if (column != kNoNode) flags[column] |= all;
  // scikit-learn encodes categories through an OrdinalEncoder, which takes NaN but no infinity.
  for (const NumberCodes& codes : model.number_codes)
    if (codes.feature < columns.size() && columns[codes.feature] != kNoNode)
      flags[columns[codes.feature]] |= kRefusesInfinity;
  const auto* graph = std::get_if<GraphPtr>(&model.scorer);
  if (!graph) return;
  for (const ScoreNode* score : (*graph)->scorers()) {
    if (!(*graph)->shape(score->from).reads_input) continue;
    std::vector<uint32_t> seen = (*graph)->origins(score->from);
    for (uint32_t& column : seen)
      if (column != kNoNode) column = columns[column];
    add(*score->model, seen, form, flags);
  }
}

bool refuses(uint8_t flags, double value) {
  if (std::isnan(value)) return flags & kRefusesNan;
  if (flags & kRefusesInfinityAsFloat) value = static_cast<double>(static_cast<float>(value));
  return std::isinf(value) && flags & (kRefusesInfinity | kRefusesInfinityAsFloat);
}

// What the cells of sparse rows do not show: entries of a cell that another entry follows.
std::optional<Refused> find_refused_entry(const Rows& rows, const std::vector<uint8_t>& flags) {
  std::optional<Refused> found;
  for (size_t r = 0; r < rows.count && !found; ++r)
    for_each_stored(rows, r, [&](size_t column, double value) {
      if (!found && flags[column] && refuses(flags[column], value))
        found = Refused{r, column, value};
    });
  return found;
}

}  // namespace

double missing_value_of(const Description& model) {
  if (const auto* forest = std::get_if<Forest>(&model.scorer))
    return forest->settings().missing_value;
  if (const auto* linear = std::get_if<Linear>(&model.scorer)) return linear->missing_value;
  return std::nan("");
}

std::vector<uint8_t> refusals_of(const Description& model, bool by_matrix, bool sparse) {
  std::vector<uint32_t> columns(model.n_features());
  std::iota(columns.begin(), columns.end(), 0u);
  std::vector<uint8_t> flags(columns.size(), 0);
  add(model, columns, {by_matrix, sparse}, flags);
  for (const uint8_t flag : flags)
    if (flag) return flags;
  return {};
}

std::optional<Refused> find_refused(const Rows& rows, const std::vector<uint8_t>& flags) {
  if (flags.empty()) return std::nullopt;
  if (rows.stored) {
    const auto found = find_refused_entry(rows, flags);
    if (found || !rows.data) return found;
  }
  for (size_t r = 0; r < rows.count; ++r)
    for (size_t c = 0; c < rows.width; ++c)
      if (const double value = rows.at(r, c); flags[c] && refuses(flags[c], value))
        return Refused{r, c, value};
  return std::nullopt;
}

}  // namespace spinney
