// InferRequest: the body of an Open Inference request, read against the model that it is for.
//
// Objects of it are used again and again: nothing is allocated for a request once the vectors are
// as long as requests need. Texts are views of the body.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/bytes/bytes.h"
#include "server/protocol/json_reader.h"
#include "server/repository/served.h"
#include "spinney/base/result.h"
#include "spinney/model/rows.h"
#include "spinney/request/request.h"

namespace spinney::server::protocol {

struct RequestedOutput {
  const repository::ServedOutput* output = nullptr;
  bool binary = false;
};

class InferRequest {
 public:
  // Rows are held within the budget, if there is one.
  explicit InferRequest(Budget* budget = nullptr) : memory_(budget) {}

  // json_bytes: how many bytes of the body are JSON; the rest are tensors.
  Status read(std::string_view body, size_t json_bytes, const repository::Served& served);
  // A body that is one tensor and nothing else, of the datatype that the model's metadata name.
  Status read_bare(std::string_view body, const repository::Served& served);
  // Rows as V1 and MLflow have them (infer_table.cpp).
  Status read_table(std::string_view body, const repository::Served& served);
  // Wipes the rows and keeps the memory.
  void clear() noexcept;
  void free_memory() noexcept { memory_.free(); }

  std::string_view id() const { return id_; }  // as it stands in JSON, without the quotes
  const Rows& rows() const { return rows_; }
  const std::vector<RequestedOutput>& outputs() const { return outputs_; }
  Priority priority() const { return priority_; }
  int64_t timeout_us() const { return timeout_us_; }  // 0: none
  bool literals() const { return literals_; }         // NaN and infinities are written as such

 private:
  struct Input {
    std::string_view name;
    repository::Datatype type = repository::Datatype::kNone;
    bool has_type = false, has_shape = false;
    size_t dimensions = 0;
    uint64_t shape[2] = {0, 1};
    const char* data = nullptr;  // where it stands in the JSON; null: there is none
    size_t depth = 0;
    bool has_binary = false;
    uint64_t binary_bytes = 0;
    std::string_view binary;
    bool decoded = false;
  };

  Status read_body(JsonReader& json);
  Status read_inputs(JsonReader& json);
  Status read_input(JsonReader& json);
  void read_shape(JsonReader& json, Input& input);
  Status read_data(JsonReader& json, Input& input);
  Status read_outputs(JsonReader& json);
  void read_output(JsonReader& json);
  void read_parameters(JsonReader& json);
  void read_input_parameters(JsonReader& json, Input& input);
  void read_priority(JsonReader& json);

  Status choose_outputs();
  Status cut_tensors();
  Status decode_all(JsonReader& json);
  Status decode_tensor(JsonReader& json, Input& input);
  Status decode_columns(JsonReader& json);
  Status decode(JsonReader& json, const Input& input, size_t columns, size_t first_column);
  Status make_rows(size_t count, NumberType type, size_t bytes_behind);
  bool is_tensor(const Input& input) const;

  Status read_table_rows(JsonReader& json);
  Status read_listed_row(JsonReader& json, const std::vector<size_t>& columns);
  Status read_named_row(JsonReader& json);
  Status read_split(JsonReader& json);
  Status read_cell(JsonReader& json, double* cell);
  double* add_row() noexcept;
  Result<size_t> column_of(std::string_view name);
  Status finish_table();
  Error at(const Input& input, const std::string& what) const;

  const repository::Served* served_ = nullptr;
  std::string_view body_;
  size_t json_bytes_ = 0;
  std::string_view id_;
  std::vector<Input> inputs_;
  std::vector<std::string_view> asked_;  // names of outputs
  std::vector<uint8_t> asked_binary_;    // 0, 1, or 2: as the request says
  std::vector<RequestedOutput> outputs_;
  std::vector<uint8_t> seen_;  // columns
  bool all_whole_ = true;      // the table's numbers
  bool binary_output_ = false;
  bool literals_ = false;
  Priority priority_ = Priority::kNormal;
  int64_t timeout_us_ = 0;
  std::string text_;  // an unescaped string
  Bytes memory_;
  Rows rows_;
};

}  // namespace spinney::server::protocol
