#include "spinney/model/schema.h"

#include <algorithm>
#include <string_view>

#include "spinney/base/utf8.h"

namespace spinney {
namespace {

// Whether text is UTF-8, but for lone surrogates, which files and callers may have.
bool is_text(std::string_view text) {
  while (!text.empty()) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    uint32_t code = 0;
    size_t length = decode_utf8(text.data(), text.size(), code);
    const bool surrogate = length == 0 && text.size() >= 3 && bytes[0] == 0xed &&
                           bytes[1] >= 0xa0 && bytes[1] < 0xc0 && bytes[2] >= 0x80 &&
                           bytes[2] < 0xc0;
    if (surrogate) length = 3;
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// The text that is among them more than once, the empty ones left out; null: none is.
const std::string* repeated(const std::vector<const std::string*>& texts) {
  std::vector<const std::string*> sorted;
  for (const std::string* text : texts)
    if (!text->empty()) sorted.push_back(text);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return *a < *b; });
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end(),
                                        [](const auto* a, const auto* b) { return *a == *b; });
  return twice == sorted.end() ? nullptr : *twice;
}

Status check_values(const SchemaColumn& column, const std::string& where) {
  if (column.kind > ColumnKind::kBoolean)
    return corrupt(where + " is of the unknown kind " +
                   std::to_string(static_cast<unsigned>(column.kind)));
  if (column.kind != ColumnKind::kText && !column.values.empty())
    return corrupt(where + " lists " + std::to_string(column.values.size()) +
                   " texts and is no column of texts");
  if (column.values.size() > kSchemaValuesMax)
    return too_large(where + " lists " + std::to_string(column.values.size()) + " texts; at most " +
                     std::to_string(kSchemaValuesMax) + " are told apart");
  std::vector<const std::string*> values;
  bool empty = false;
  for (const std::string& value : column.values) {
    if (!is_text(value)) return corrupt(where + " lists a value that is no text in UTF-8");
    if (value.empty() && empty) return corrupt(where + " lists the empty text twice");
    empty = empty || value.empty();
    values.push_back(&value);
  }
  const std::string* twice = repeated(values);
  return twice ? corrupt(where + " lists " + spinney::quoted(*twice) + " twice") : Status();
}

}  // namespace

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 60;
  size_t end = std::min(text.size(), kShown);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  std::string out = "'";
  out += text.substr(0, end);
  out += end < text.size() ? "…'" : "'";
  return out;
}

bool Schema::has_texts() const {
  return std::any_of(columns.begin(), columns.end(),
                     [](const SchemaColumn& column) { return column.kind == ColumnKind::kText; });
}

size_t Schema::bytes() const {
  size_t total = columns.size() * sizeof(SchemaColumn);
  for (const SchemaColumn& column : columns) {
    total += column.name.size() + column.values.size() * sizeof(std::string);
    for (const std::string& value : column.values) total += value.size();
  }
  return total;
}

Status check_schema(const Schema& schema) {
  std::vector<const std::string*> names;
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    const SchemaColumn& column = schema.columns[i];
    if (!is_text(column.name))
      return corrupt("the name of column " + std::to_string(i) + " is no text in UTF-8");
    names.push_back(&column.name);
    const std::string where =
        "column " + std::to_string(i) +
        (column.name.empty() ? std::string() : " (" + spinney::quoted(column.name) + ")");
    SPINNEY_TRY(check_values(column, where));
  }
  const std::string* twice = repeated(names);
  return twice ? corrupt("two columns are named " + spinney::quoted(*twice)) : Status();
}

}  // namespace spinney
