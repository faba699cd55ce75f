// Coder: the values of a model's columns become the numbers of its rows, by its schema.
//
// Made once for a model and shared; any number of threads may use it at once.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/columns/text_codes.h"
#include "spinney/model/schema.h"

namespace spinney::columns {

class Coder {
 public:
  // schema: one that check_schema() accepts.
  explicit Coder(SchemaPtr schema);

  const Schema& schema() const { return *schema_; }
  size_t width() const { return schema_->columns.size(); }
  ColumnKind kind(size_t column) const { return schema_->columns[column].kind; }
  bool takes_missing(size_t column) const { return schema_->columns[column].missing_allowed; }

  // What a value of the column's kind becomes. False: it may not be there, which refused_text(),
  // missing() or refused_number() says in words.
  bool text(size_t column, std::string_view value, double& out) const noexcept {
    const Texts& texts = texts_[place_[column]];
    const uint32_t code = texts.codes[value];
    out = static_cast<double>(code);
    return code < texts.size || texts.unknown_allowed;
  }
  bool missing(size_t column, double& out) const noexcept;
  // Of a number or boolean, NaN being missing: a column of booleans takes 0 and 1 besides.
  bool number(size_t column, double value, double& out) const noexcept;

  // "row 3, column 'job'": by position where it has no name.
  std::string place(size_t row, size_t column) const;
  Error unknown_text(size_t row, size_t column, std::string_view value) const;
  Error no_value(size_t row, size_t column) const;
  Error no_boolean(size_t row, size_t column, double value) const;
  // what: "the text 'x'", "a float": of another kind than the column's.
  Error wrong_kind(size_t row, size_t column, const std::string& what) const;

 private:
  struct Texts {
    TextCodes codes;
    size_t size;
    bool unknown_allowed;
  };
  SchemaPtr schema_;
  std::vector<uint32_t> place_;  // of a column of texts among texts_
  std::vector<Texts> texts_;
};

}  // namespace spinney::columns
