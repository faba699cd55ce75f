#include "server/protocol/infer_request.h"

#include "server/protocol/tensor.h"
#include "spinney/base/checked_size.h"

namespace spinney::server::protocol {

using repository::Datatype;
using Kind = JsonReader::Kind;

Status InferRequest::read(std::string_view body, size_t json_bytes,
                          const repository::Served& served) {
  served_ = &served;
  body_ = body;
  json_bytes_ = json_bytes;
  JsonReader json(body.substr(0, json_bytes));
  SPINNEY_TRY(read_body(json));
  if (!json.at_end()) return json.error();
  SPINNEY_TRY(cut_tensors());
  SPINNEY_TRY(decode_all(json));
  return choose_outputs();
}

Status InferRequest::choose_outputs() {
  const repository::Served& served = *served_;
  if (asked_.empty()) outputs_.push_back({&served.outputs().front(), binary_output_});
  for (size_t i = 0; i < asked_.size(); ++i) {
    std::string_view name = asked_[i];
    if (has_escapes(name)) name = unescape(name, text_) ? std::string_view(text_) : "";
    const repository::ServedOutput* output = served.find_output(name);
    if (!output) {
      std::string known;
      for (const auto& one : served.outputs()) known += (known.empty() ? "" : ", ") + one.name;
      return invalid_argument("model '" + served.name() + "' has no output '" + std::string(name) +
                              "'; it has " + known);
    }
    for (const RequestedOutput& other : outputs_)
      if (other.output == output)
        return invalid_argument("output '" + output->name + "' is asked for twice");
    outputs_.push_back({output, asked_binary_[i] == 2 ? binary_output_ : asked_binary_[i] == 1});
  }
  return {};
}

void InferRequest::clear() noexcept {
  memory_.wipe();
  if (memory_.capacity() > Spares::kKeptBytesMax) memory_.free();
  for (char& c : text_) c = 0;
  inputs_.clear();
  asked_.clear();
  asked_binary_.clear();
  outputs_.clear();
  id_ = body_ = {};
  rows_ = {};
  binary_output_ = literals_ = false;
  priority_ = Priority::kNormal;
  timeout_us_ = 0;
}

Status InferRequest::read_body(JsonReader& json) {
  std::string_view key;
  bool has_inputs = false, has_outputs = false;
  if (!json.begin_object()) return json.error();
  while (json.next_key(key)) {
    if (key == "inputs") {
      if (std::exchange(has_inputs, true)) return invalid_argument("'inputs' is there twice");
      SPINNEY_TRY(read_inputs(json));
    } else if (key == "outputs") {
      if (std::exchange(has_outputs, true)) return invalid_argument("'outputs' is there twice");
      SPINNEY_TRY(read_outputs(json));
    } else if (key == "id") {
      if (json.kind() == Kind::kNull)
        json.null();
      else
        json.string(id_);
    } else if (key == "parameters") {
      read_parameters(json);
    } else {
      json.skip();
    }
  }
  if (json.failed()) return json.error();
  if (inputs_.empty()) return invalid_argument("the request has no 'inputs'");
  return {};
}

Status InferRequest::read_inputs(JsonReader& json) {
  // One for each column at most, so that a list of others is not kept.
  const size_t most = served_->width() > 1 ? served_->width() : 1;
  if (!json.begin_array()) return json.error();
  while (json.next_element()) {
    if (inputs_.size() == most)
      return invalid_argument("more inputs than the model has columns (" + std::to_string(most) +
                              ")");
    SPINNEY_TRY(read_input(json));
  }
  return json.failed() ? Status(json.error()) : Status();
}

Status InferRequest::read_input(JsonReader& json) {
  inputs_.emplace_back();
  Input& input = inputs_.back();
  std::string_view key, text;
  if (!json.begin_object()) return json.error();
  while (json.next_key(key)) {
    if (key == "name") {
      json.string(input.name);
    } else if (key == "datatype") {
      if (input.has_type) return at(input, "has two datatypes");
      if (!json.string(text)) break;
      input.type = repository::datatype_of(text);
      input.has_type = true;
      if (input.type == Datatype::kNone)
        return at(input,
                  "has datatype '" + std::string(text.substr(0, 20)) + "', which there is not");
    } else if (key == "shape") {
      if (input.has_shape) return at(input, "has two shapes");
      read_shape(json, input);
    } else if (key == "parameters") {
      read_input_parameters(json, input);
    } else if (key == "data") {
      if (input.data) return at(input, "has data twice");
      SPINNEY_TRY(read_data(json, input));
    } else {
      json.skip();
    }
  }
  if (json.failed()) return json.error();
  if (!input.has_type) return at(input, "has no datatype");
  if (!input.has_shape) return at(input, "has no shape");
  return {};
}

void InferRequest::read_shape(JsonReader& json, Input& input) {
  input.has_shape = true;
  if (!json.begin_array()) return;
  while (json.next_element()) {
    int64_t size = 0;
    if (!json.integer(size)) return;
    if (size < 0) {
      json.fail("a dimension below zero");
      return;
    }
    if (input.dimensions == 2) {
      json.fail("a shape of more than two dimensions; expected [rows, columns]");
      return;
    }
    input.shape[input.dimensions++] = static_cast<uint64_t>(size);
  }
  if (!json.failed() && input.dimensions == 0) json.fail("a shape without dimensions");
}

// A first input that is the whole tensor is decoded as it is read; of all others the place is kept.
Status InferRequest::read_data(JsonReader& json, Input& input) {
  input.data = json.place();
  input.depth = json.depth();
  if (inputs_.size() == 1 && input.has_type && input.has_shape && input.type != Datatype::kBytes &&
      is_tensor(input)) {
    const Status status = decode_tensor(json, input);
    input.decoded = status.ok();
    return status;
  }
  json.skip();
  return {};
}

void InferRequest::read_input_parameters(JsonReader& json, Input& input) {
  std::string_view key;
  if (!json.begin_object()) return;
  while (json.next_key(key)) {
    if (key == "binary_data_size") {
      input.has_binary = true;
      json.integer(input.binary_bytes);
    } else {
      json.skip();
    }
  }
}

Status InferRequest::read_outputs(JsonReader& json) {
  constexpr size_t kMost = 64;
  if (!json.begin_array()) return json.error();
  while (json.next_element()) {
    if (asked_.size() == kMost) return invalid_argument("more than 64 outputs are asked for");
    read_output(json);
  }
  return json.failed() ? Status(json.error()) : Status();
}

void InferRequest::read_output(JsonReader& json) {
  std::string_view key, name;
  uint8_t binary = 2;
  if (!json.begin_object()) return;
  while (json.next_key(key)) {
    if (key == "name") {
      json.string(name);
    } else if (key == "parameters") {
      std::string_view parameter;
      if (!json.begin_object()) return;
      while (json.next_key(parameter)) {
        bool flag = false;
        if (parameter == "binary_data") {
          if (json.boolean(flag)) binary = flag;
        } else if (parameter == "classification") {
          json.fail("the classification extension is not there; ask for predict_proba");
        } else {
          json.skip();
        }
      }
    } else {
      json.skip();
    }
  }
  asked_.push_back(name);
  asked_binary_.push_back(binary);
}

void InferRequest::read_parameters(JsonReader& json) {
  std::string_view key, text;
  if (!json.begin_object()) return;
  while (json.next_key(key)) {
    if (key == "priority") {
      read_priority(json);
    } else if (key == "timeout") {
      if (json.integer(timeout_us_) && timeout_us_ < 0) json.fail("a timeout below zero");
    } else if (key == "binary_data_output") {
      json.boolean(binary_output_);
    } else if (key == "special_numbers") {
      if (!json.string(text)) return;
      literals_ = text == "literal";
      if (!literals_ && text != "null") json.fail("special_numbers is \"null\" or \"literal\"");
    } else if (key == "sequence_id" || key == "sequence_start" || key == "sequence_end") {
      // tritonclient sends these with no sequence: 0 and false.
      if (json.kind() == Kind::kBool) {
        bool flag = false;
        if (json.boolean(flag) && flag) json.fail("sequences are not served");
      } else {
        json.skip();
      }
    } else {
      json.skip();
    }
  }
}

// 1 is the most urgent of 5, as Triton has it; 0 the default.
void InferRequest::read_priority(JsonReader& json) {
  uint64_t level = 0;
  if (!json.integer(level)) return;
  if (level > kPriorities) {
    json.fail("priority is a number from 1, the most urgent, to 5; 0 is the default");
    return;
  }
  priority_ = level == 0 ? Priority::kNormal : static_cast<Priority>(level - 1);
}

Error InferRequest::at(const Input& input, const std::string& what) const {
  return invalid_argument("input '" + std::string(input.name.substr(0, 100)) + "' " + what);
}

}  // namespace spinney::server::protocol
