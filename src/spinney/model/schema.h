// Schema: what each column of a model's rows is, and how a value that people have becomes the
// number that stands for it.
//
// Rows of a model with text columns are rows of float64 like all others: a text is its place in
// `values`, a missing value is NaN, and a text that is not among them values.size().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/base/result.h"

namespace spinney {

// Stored in artifacts: append only.
enum class ColumnKind : uint8_t { kNumber = 0, kText = 1, kBoolean = 2 };

// Of a column's values: the codes up to theirs are whole numbers to float32 too.
inline constexpr size_t kSchemaValuesMax = (size_t{1} << 24) - 1;

struct SchemaColumn {
  std::string name;  // may be empty: by position alone
  ColumnKind kind = ColumnKind::kNumber;
  // kText: every text that the model tells apart, UTF-8; its code is its place. Lone surrogates are
  // encoded as Python's "surrogatepass" does it, so that such texts are told apart as well.
  std::vector<std::string> values;
  // None, NaN, pd.NA, null: the number is NaN. Not allowed: an error with column and row.
  bool missing_allowed = true;
  // A text not among values: its code is values.size(). Not allowed: an error with column and row.
  bool unknown_allowed = true;

  bool operator==(const SchemaColumn&) const = default;
};

struct Schema {
  std::vector<SchemaColumn> columns;

  bool has_texts() const;
  size_t bytes() const;
  bool operator==(const Schema&) const = default;
};
using SchemaPtr = std::shared_ptr<const Schema>;

// Names and values that are there twice or are no text, kinds that are unknown, values of a column
// that is no text, more than kSchemaValuesMax of them.
Status check_schema(const Schema& schema);

// A text for a message, in quotes and cut where it is long.
std::string quoted(std::string_view text);

}  // namespace spinney
