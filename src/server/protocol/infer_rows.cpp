// Inputs become rows: one tensor of rows and columns, or an input for each column.
#include <algorithm>

#include "server/protocol/infer_request.h"
#include "server/protocol/tensor.h"
#include "spinney/base/checked_size.h"

namespace spinney::server::protocol {

using repository::Datatype;

// Tensors in the order of their inputs, behind the JSON.
Status InferRequest::cut_tensors() {
  std::string_view rest = body_.substr(json_bytes_);
  for (Input& input : inputs_) {
    if (input.has_binary && input.data) return at(input, "has data and a binary_data_size");
    if (!input.has_binary && !input.data) return at(input, "has no data");
    if (!input.has_binary) continue;
    if (input.binary_bytes > rest.size())
      return at(input, "has a binary_data_size of " + std::to_string(input.binary_bytes) +
                           ", but there are only " + std::to_string(rest.size()) +
                           " bytes of it in the body");
    input.binary = rest.substr(0, static_cast<size_t>(input.binary_bytes));
    rest.remove_prefix(static_cast<size_t>(input.binary_bytes));
  }
  if (!rest.empty())
    return invalid_argument("the body has " + std::to_string(rest.size()) +
                            " bytes more than its JSON and tensors");
  return {};
}

Status InferRequest::read_bare(std::string_view body, const repository::Served& served) {
  served_ = &served;
  body_ = body;
  json_bytes_ = 0;
  Input input;
  input.name = "input";
  input.type = served.input_type();
  const size_t row_bytes = served.width() * repository::size_of(input.type);
  if (row_bytes == 0 || body.empty() || body.size() % row_bytes != 0)
    return invalid_argument("a body without JSON holds rows of " + std::to_string(served.width()) +
                            " " + std::string(name_of(input.type)) + ", each of " +
                            std::to_string(row_bytes) + " bytes; this one has " +
                            std::to_string(body.size()));
  input.dimensions = 2;
  input.shape[0] = body.size() / row_bytes;
  input.shape[1] = served.width();
  input.has_binary = true;
  input.binary_bytes = body.size();
  input.binary = body;
  inputs_.push_back(input);
  binary_output_ = true;
  JsonReader none({});
  SPINNEY_TRY(decode_tensor(none, inputs_.front()));
  return choose_outputs();
}

// [rows, columns], or one row that lies flat.
bool InferRequest::is_tensor(const Input& input) const {
  const size_t width = served_->width();
  if (input.dimensions == 2) return input.shape[1] == width;
  return input.dimensions == 1 && input.shape[0] == width && width != 1;
}

Status InferRequest::decode_all(JsonReader& json) {
  const size_t width = served_->width();
  if (inputs_.size() > 1) return decode_columns(json);
  Input& input = inputs_.front();
  if (input.decoded) return {};
  if (is_tensor(input) || (width == 1 && input.dimensions == 1)) return decode_tensor(json, input);
  std::string shape = std::to_string(input.shape[0]);
  if (input.dimensions == 2) shape.append(", ").append(std::to_string(input.shape[1]));
  return at(input, "has shape [" + shape + "], but model '" + served_->name() + "' takes [rows, " +
                       std::to_string(width) + "]");
}

// least_bytes: the elements cannot be fewer bytes in the body, so that a shape alone makes the
// server take no memory.
Status InferRequest::make_rows(size_t count, NumberType type, size_t least_bytes) {
  const size_t width = served_->width();
  const auto bytes = checked_product(count, width, size_of(type));
  if (!bytes || least_bytes > body_.size())
    return invalid_argument("the shape has more elements than the request");
  if (!memory_.reserve(std::max<size_t>(*bytes, 1)))
    return Error{Code::kThrottled, "no memory for the rows at this moment"};
  memory_.wipe();
  memory_.grow(*bytes);
  rows_ = type == NumberType::kFloat32
              ? dense_rows(reinterpret_cast<const float*>(memory_.data()), count, width)
              : dense_rows(reinterpret_cast<const double*>(memory_.data()), count, width);
  return {};
}

Status InferRequest::decode_tensor(JsonReader& json, Input& input) {
  if (input.type == Datatype::kBytes) return at(input, "holds BYTES, but the model takes numbers");
  const size_t width = served_->width();
  const bool is_matrix = input.dimensions == 2;
  const uint64_t count = is_matrix ? input.shape[0] : input.shape[0] / width;
  const auto elements = checked_product(count, width);
  const auto bytes = checked_product(count, width, input.data ? 2 : size_of(input.type));
  if (!elements || !bytes) return at(input, "has a shape that no memory holds");
  // In JSON each but the last has a comma behind it.
  SPINNEY_TRY(make_rows(static_cast<size_t>(count), served_->row_type(input.type),
                        input.data && *bytes > 0 ? *bytes - 1 : *bytes));
  return decode(json, input, width, 0);
}

Status InferRequest::decode_columns(JsonReader& json) {
  const size_t width = served_->width();
  const uint64_t count = inputs_.front().shape[0];
  NumberType type = NumberType::kFloat32;
  for (const Input& input : inputs_) {
    if (input.dimensions == 2 && input.shape[1] != 1)
      return at(input, "is one of several, which have a column each and shape [rows] or [rows, 1]");
    if (input.shape[0] != count)
      return at(input, "has " + std::to_string(input.shape[0]) + " rows where the first has " +
                           std::to_string(count));
    if (input.type == Datatype::kBytes)
      return at(input, "holds BYTES, but the model takes numbers");
    // As a frame of such columns becomes one array.
    if (served_->row_type(input.type) != NumberType::kFloat32) type = NumberType::kFloat64;
  }
  if (inputs_.size() != width)
    return invalid_argument("there are " + std::to_string(inputs_.size()) +
                            " inputs, but the model has " + std::to_string(width) + " columns");
  const auto least = checked_product(count, width);
  if (!least) return invalid_argument("the shape has more elements than the request");
  SPINNEY_TRY(make_rows(static_cast<size_t>(count), type, *least));
  seen_.assign(width, 0);
  for (const Input& input : inputs_) {
    std::string_view name = input.name;
    if (has_escapes(name)) name = unescape(name, text_) ? std::string_view(text_) : "";
    const size_t column = served_->find_column(name);
    if (column == SIZE_MAX) return at(input, "is none of the model's columns");
    if (std::exchange(seen_[column], uint8_t{1})) return at(input, "is there twice");
    SPINNEY_TRY(decode(json, input, 1, column));
  }
  return {};
}

Status InferRequest::decode(JsonReader& json, const Input& input, size_t columns,
                            size_t first_column) {
  const size_t element = size_of(rows_.type);
  const Target target{memory_.data() + first_column * element, rows_.type,
                      static_cast<size_t>(rows_.row_stride), rows_.count, columns};
  if (input.has_binary) {
    const auto bytes = checked_product(rows_.count, columns, repository::size_of(input.type));
    if (!bytes || *bytes != input.binary_bytes)
      return at(input, "has a binary_data_size of " + std::to_string(input.binary_bytes) +
                           ", but its shape and datatype need " +
                           std::to_string(bytes.value_or(0)));
    read_elements(input.binary.data(), input.type, target);
    return {};
  }
  json.go_to(input.data);
  if (read_elements(json, input.type, input.dimensions == 2, target)) return {};
  return at(input, "cannot be read: " + json.error().message);
}

}  // namespace spinney::server::protocol
