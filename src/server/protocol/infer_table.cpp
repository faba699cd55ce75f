// Rows as KServe's V1, TensorFlow Serving and MLflow have them: lists of numbers, or of objects
// that name their columns, without a shape and a datatype. Whole numbers alone are converted as
// numpy's integers are, others as float64.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "server/protocol/infer_request.h"

namespace spinney::server::protocol {

using Kind = JsonReader::Kind;

Status InferRequest::read_table(std::string_view body, const repository::Served& served) {
  served_ = &served;
  body_ = body;
  all_whole_ = true;
  JsonReader json(body);
  std::string_view key;
  bool has_rows = false;
  if (!json.begin_object()) return json.error();
  while (json.next_key(key)) {
    const bool is_split = key == "dataframe_split";
    if (!is_split && key != "instances" && key != "inputs" && key != "dataframe_records") {
      json.skip();
      continue;
    }
    if (std::exchange(has_rows, true)) return invalid_argument("the rows are there twice");
    if (is_split)
      SPINNEY_TRY(read_split(json));
    else
      SPINNEY_TRY(read_table_rows(json));
  }
  if (!json.at_end()) return json.error();
  if (!has_rows)
    return invalid_argument(
        "the request has no rows: 'instances', 'inputs', 'dataframe_records' or 'dataframe_split'");
  SPINNEY_TRY(finish_table());
  return choose_outputs();
}

Status InferRequest::read_table_rows(JsonReader& json) {
  const size_t width = served_->width();
  memory_.wipe();
  if (json.kind() == Kind::kObject)
    return invalid_argument("columns of rows are not read; send a list of rows");
  if (!json.begin_array()) return json.error();
  while (json.next_element()) {
    if (json.kind() == Kind::kObject) {
      SPINNEY_TRY(read_named_row(json));
      continue;
    }
    if (width == 1 && json.kind() != Kind::kArray) {
      SPINNEY_TRY(read_cell(json, add_row()));
      continue;
    }
    SPINNEY_TRY(read_listed_row(json, {}));
  }
  return json.failed() ? Status(json.error()) : Status();
}

// The row's cells; null without memory.
double* InferRequest::add_row() noexcept {
  const size_t bytes = served_->width() * sizeof(double);
  char* to = memory_.room(bytes);
  if (to) memory_.grow(bytes);
  return reinterpret_cast<double*>(to);
}

Status InferRequest::read_cell(JsonReader& json, double* cell) {
  if (!cell) return Error{Code::kThrottled, "no memory for the rows at this moment"};
  const char* begin = json.place();
  if (json.kind() == Kind::kBool) {
    bool value = false;
    json.boolean(value);
    *cell = value ? 1 : 0;
  } else if (json.number(*cell)) {
    const std::string_view text(begin, static_cast<size_t>(json.place() - begin));
    all_whole_ = all_whole_ && text.find_first_of(".eEnNI") == std::string_view::npos;
  }
  return json.failed() ? Status(json.error()) : Status();
}

// columns: which of the model's each cell is; empty: all in order.
Status InferRequest::read_listed_row(JsonReader& json, const std::vector<size_t>& columns) {
  const size_t width = served_->width();
  const size_t row = memory_.size() / (width * sizeof(double));
  double* cells = add_row();
  size_t count = 0;
  if (!json.begin_array()) return json.error();
  while (json.next_element()) {
    if (count < width)
      SPINNEY_TRY(
          read_cell(json, cells ? cells + (columns.empty() ? count : columns[count]) : nullptr));
    else
      json.skip();
    ++count;
  }
  if (json.failed()) return json.error();
  if (count == width) return {};
  return invalid_argument("row " + std::to_string(row) + " has " + std::to_string(count) +
                          " numbers, but model '" + served_->name() + "' takes " +
                          std::to_string(width));
}

Result<size_t> InferRequest::column_of(std::string_view name) {
  if (has_escapes(name)) name = unescape(name, text_) ? std::string_view(text_) : "";
  const size_t column = served_->find_column(name);
  const auto refused = [&](const char* why) {
    std::string said = "column '";
    return invalid_argument(said.append(name.substr(0, 100)).append(why));
  };
  if (column == SIZE_MAX) return refused("' is none of the model's columns");
  if (std::exchange(seen_[column], uint8_t{1})) return refused("' is there twice");
  return column;
}

Status InferRequest::read_named_row(JsonReader& json) {
  std::string_view key;
  size_t count = 0;
  seen_.assign(served_->width(), 0);
  double* cells = add_row();
  if (!json.begin_object()) return json.error();
  while (json.next_key(key)) {
    SPINNEY_ASSIGN(const size_t column, column_of(key));
    SPINNEY_TRY(read_cell(json, cells ? cells + column : nullptr));
    ++count;
  }
  if (json.failed()) return json.error();
  if (count == served_->width()) return {};
  return invalid_argument("a row has " + std::to_string(count) + " of the model's " +
                          std::to_string(served_->width()) + " columns");
}

// pandas' to_dict(orient="split"): columns, index and data, in any order.
Status InferRequest::read_split(JsonReader& json) {
  std::string_view key, name;
  const char* data = nullptr;
  bool has_columns = false;
  std::vector<size_t> columns;
  seen_.assign(served_->width(), 0);
  memory_.wipe();
  if (!json.begin_object()) return json.error();
  while (json.next_key(key)) {
    if (key == "data") {
      data = json.place();
      json.skip();
    } else if (key == "columns" && !std::exchange(has_columns, true)) {
      if (!json.begin_array()) return json.error();
      while (json.next_element()) {
        if (!json.string(name)) return json.error();
        SPINNEY_ASSIGN(const size_t column, column_of(name));
        columns.push_back(column);
      }
    } else {
      json.skip();
    }
  }
  if (json.failed()) return json.error();
  if (!data) return invalid_argument("dataframe_split has no data");
  if (has_columns && columns.size() != served_->width())
    return invalid_argument("dataframe_split has " + std::to_string(columns.size()) +
                            " columns, but the model takes " + std::to_string(served_->width()));
  JsonReader rows({data, static_cast<size_t>(body_.data() + body_.size() - data)});
  if (!rows.begin_array()) return rows.error();
  while (rows.next_element()) SPINNEY_TRY(read_listed_row(rows, columns));
  return rows.failed() ? Status(rows.error()) : Status();
}

Status InferRequest::finish_table() {
  const size_t width = served_->width();
  auto* cells = reinterpret_cast<double*>(memory_.data());
  const size_t count = memory_.size() / (width * sizeof(double));
  if (!all_whole_ || served_->row_type(repository::Datatype::kInt64) == NumberType::kFloat64) {
    rows_ = dense_rows(cells, count, width);
    return {};
  }
  // In place, as the smaller numbers never overtake the larger.
  char* to = memory_.data();
  for (size_t i = 0; i < count * width; ++i) {
    const auto narrow = static_cast<float>(cells[i]);
    std::memcpy(to + i * sizeof narrow, &narrow, sizeof narrow);
  }
  rows_ = dense_rows(reinterpret_cast<const float*>(memory_.data()), count, width);
  return {};
}

}  // namespace spinney::server::protocol
