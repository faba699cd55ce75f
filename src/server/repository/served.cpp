#include "server/repository/served.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "spinney/base/utf8.h"
#include "spinney/model/cast_type.h"
#include "spinney/model/decision_function.h"
#include "spinney/model/label_type.h"

namespace spinney::server::repository {
namespace {

Datatype datatype_of(NumberType type) {
  return type == NumberType::kFloat32 ? Datatype::kFp32 : Datatype::kFp64;
}

// As numpy has labels of that dtype.
Datatype datatype_of(const LabelType& type) {
  const auto by_size = [&](Datatype one, Datatype two, Datatype four, Datatype eight) {
    return type.size == 1 ? one : type.size == 2 ? two : type.size == 4 ? four : eight;
  };
  switch (type.kind) {
    case LabelKind::kBool:
      return Datatype::kBool;
    case LabelKind::kInteger:
      return by_size(Datatype::kInt8, Datatype::kInt16, Datatype::kInt32, Datatype::kInt64);
    case LabelKind::kUnsigned:
      return by_size(Datatype::kUint8, Datatype::kUint16, Datatype::kUint32, Datatype::kUint64);
    case LabelKind::kFloat:
      return type.size == 4 ? Datatype::kFp32 : Datatype::kFp64;
    default:
      return Datatype::kBytes;
  }
}

template <typename Value>
std::string bytes_of(Value value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string binary_integer(int64_t value, Datatype type) {
  std::string bytes = bytes_of(value);
  bytes.resize(size_of(type));  // little-endian, so the low bytes are the number
  return bytes;
}

template <typename Real>
std::string text_of(Real value) {
  if (!std::isfinite(value)) return "null";
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (code < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      out.append("\\u00").append({kHex[code >> 4], kHex[code & 15]});
    } else {
      out += c;
    }
  }
  return out + '"';
}

LabelText label_of(int64_t value, Datatype type) {
  if (type == Datatype::kBool) return {value ? "true" : "false", std::string(1, value ? 1 : 0)};
  return {std::to_string(value), binary_integer(value, type)};
}
LabelText label_of(double value, Datatype type) {
  if (type == Datatype::kFp32)
    return {text_of(static_cast<float>(value)), bytes_of(static_cast<float>(value))};
  return {text_of(value), bytes_of(value)};
}
LabelText label_of(const std::string& value, Datatype) {
  std::string text = value;
  if (!is_utf8(text))  // JSON can hold no other; bytes are given as they are
    for (char& c : text)
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return {quoted(text), bytes_of(static_cast<uint32_t>(value.size())) + value};
}

}  // namespace

Result<std::shared_ptr<const backend::Backend>> backend_of(const Model& model,
                                                           const cpu::Assignment& placement) {
  auto native = backend::make_native(model.shared_description(), model.shared_plan(), placement);
  const Model& wide = model.for_rows(NumberType::kFloat64);
  if (!native.ok() || &wide == &model) return native;
  SPINNEY_ASSIGN(auto other, backend_of(wide, placement));
  return backend::make_promoting(std::move(native).value(), std::move(other));
}

namespace {

// Requests hold numbers alone so far, which are no texts and no hashes of categories.
Status check_numbers_alone(const Description& description) {
  const bool texts = description.schema && description.schema->has_texts();
  if (!texts && !description.category_tables) return {};
  return unsupported(std::string("the model has ") + (texts ? "columns of text" : "categories") +
                     ", and the server takes rows of numbers; predict from Python, where rows are "
                     "frames, dicts or lists: spinney.load(path).predict(rows)");
}

}  // namespace

Result<std::shared_ptr<const Served>> Served::make(Model model, std::string name,
                                                   std::string version,
                                                   std::string engine_version) {
  SPINNEY_TRY(check_numbers_alone(model.description()));
  std::shared_ptr<Served> made(new Served(std::move(model)));
  made->name_ = std::move(name);
  made->version_ = std::move(version);
  made->engine_version_ = std::move(engine_version);
  const Description& description = made->model_.description();
  made->narrow_ = &made->model_.for_rows(NumberType::kFloat64) != &made->model_;
  made->cast_type_ = made->small_cast_type_ = cast_type(description);
  if (made->narrow_) made->small_cast_type_ = NumberType::kFloat32;
  for (size_t i = 0; i < description.feature_names.size(); ++i)
    made->columns_.emplace(description.feature_names[i], i);
  SPINNEY_TRY(made->add_labels());
  SPINNEY_TRY(made->add_outputs());
  return std::shared_ptr<const Served>(std::move(made));
}

Status Served::add_labels() {
  const Output& output = model_.description().output;
  if (output.decision == Decision::kOutlier) return {};
  for (const Labels& labels : output.labels) {
    SPINNEY_ASSIGN(const LabelType type, parse_label_type(labels.dtype));
    if (labels_.empty()) label_type_ = datatype_of(type);
    // Objects may be numbers in disguise; they are written as what they are kept as.
    std::vector<LabelText> texts;
    std::visit(
        [&](const auto& values) {
          using Value = typename std::decay_t<decltype(values)>::value_type;
          if constexpr (!std::is_same_v<Value, std::string>)
            if (label_type_ == Datatype::kBytes)
              label_type_ = std::is_same_v<Value, double> ? Datatype::kFp64 : Datatype::kInt64;
          for (const auto& value : values) texts.push_back(label_of(value, label_type_));
        },
        labels.values);
    labels_.push_back(std::move(texts));
  }
  return {};
}

Status Served::add_outputs() {
  const Model& model = model_.for_rows(NumberType::kFloat64);  // whose types all answers have
  const Description& description = model.description();
  const Output& output = description.output;
  const bool flat = !output.keep_column_axis;
  const Datatype value_type = datatype_of(output.value_type);
  const Datatype narrow_value = datatype_of(model_.description().output.value_type);
  const Datatype raw_type = datatype_of(description.score_type());
  const Datatype narrow_raw = datatype_of(model_.description().score_type());
  if (output.decision == Decision::kValues) {
    const size_t columns = model.value_columns();
    outputs_.push_back({"predict", AnswerKind::kValues, value_type, narrow_value, columns,
                        flat && columns == 1, false});
  } else {
    const size_t columns = model.target_columns();
    outputs_.push_back({"predict", AnswerKind::kClasses, label_type_, label_type_, columns,
                        flat && columns == 1, !labels_.empty()});
  }
  if (output.has_probabilities)
    outputs_.push_back({"predict_proba", AnswerKind::kProba, value_type, narrow_value,
                        model.probability_columns(), false, false});
  const size_t scores = description.n_outputs();
  const ServedOutput raw{"predict_raw", AnswerKind::kRaw,    raw_type, narrow_raw,
                         scores,        flat && scores == 1, false};
  outputs_.push_back(raw);
  if (decision_function_of(description) == DecisionFunction::kRaw) {
    outputs_.push_back(raw);
    outputs_.back().name = "decision_function";
  }
  return {};
}

const ServedOutput* Served::find_output(std::string_view name) const {
  for (const ServedOutput& output : outputs_)
    if (output.name == name) return &output;
  return nullptr;
}

size_t Served::find_column(std::string_view name) const {
  const auto found = columns_.find(name);
  return found == columns_.end() ? SIZE_MAX : found->second;
}

NumberType Served::row_type(Datatype type) const {
  switch (type) {
    case Datatype::kFp32:
      return NumberType::kFloat32;
    case Datatype::kFp64:
      return NumberType::kFloat64;
    case Datatype::kInt32:
    case Datatype::kInt64:
    case Datatype::kUint32:
    case Datatype::kUint64:
      return cast_type_;
    default:
      return small_cast_type_;
  }
}

}  // namespace spinney::server::repository
