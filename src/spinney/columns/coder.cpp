#include "spinney/columns/coder.h"

#include <cmath>
#include <limits>

namespace spinney::columns {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const char* named(ColumnKind kind) {
  if (kind == ColumnKind::kText) return "texts";
  return kind == ColumnKind::kBoolean ? "booleans" : "numbers";
}

}  // namespace

Coder::Coder(SchemaPtr schema) : schema_(std::move(schema)) {
  for (const SchemaColumn& column : schema_->columns) {
    place_.push_back(static_cast<uint32_t>(texts_.size()));
    if (column.kind == ColumnKind::kText)
      texts_.push_back({TextCodes(column.values), column.values.size(), column.unknown_allowed});
  }
}

bool Coder::missing(size_t column, double& out) const noexcept {
  out = kNan;
  return takes_missing(column);
}

bool Coder::number(size_t column, double value, double& out) const noexcept {
  if (std::isnan(value)) return missing(column, out);
  out = value;
  return kind(column) == ColumnKind::kNumber || value == 0 || value == 1;
}

std::string Coder::place(size_t row, size_t column) const {
  const std::string& name = schema_->columns[column].name;
  return "row " + std::to_string(row) + ", column " +
         (name.empty() ? std::to_string(column) : spinney::quoted(name));
}

Error Coder::unknown_text(size_t row, size_t column, std::string_view value) const {
  return invalid_argument(place(row, column) + " holds " + spinney::quoted(value) +
                          ", which is none of the " +
                          std::to_string(schema_->columns[column].values.size()) +
                          " values that the model was trained on");
}

Error Coder::no_value(size_t row, size_t column) const {
  return invalid_argument(place(row, column) +
                          " is missing, and the model has no rule for missing values there");
}

Error Coder::no_boolean(size_t row, size_t column, double value) const {
  return invalid_argument(place(row, column) + " holds the number " + std::to_string(value) +
                          ", and the model was trained on booleans there");
}

Error Coder::wrong_kind(size_t row, size_t column, const std::string& what) const {
  return invalid_argument(place(row, column) + " holds " + what +
                          ", and the model was trained on " + named(kind(column)) + " there");
}

}  // namespace spinney::columns
