#include "spinney/load/pickle/attributes.h"

#include <charconv>

#include "spinney/base/version.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/array_values.h"
#include "spinney/model/label_type.h"

namespace spinney::load {
namespace {

Error wrong(const Record& record, std::string_view name, const std::string& expected) {
  const Value* value = record.find(name);
  return corrupt(place(record, name) + " is " + (value ? value->what() : std::string("absent")) +
                 ", not " + expected +
                 (value ? "" : ". Was the model fitted before it was saved?"));
}

// Calls take(i-th element in row-major order) for every element; take returns false to refuse one.
// An element becomes one of element_bytes.
template <typename TakeValue, typename TakeRaw>
Status each_element(const Value& value, const std::string& what, size_t element_bytes,
                    TakeValue&& take_value, TakeRaw&& take_raw) {
  const auto refuse = [&](size_t i, const std::string& given) {
    return corrupt(what + ": element " + std::to_string(i) + " is " + given);
  };
  const NdArray* array = value.array();
  const List* list = array ? array->objects : value.list();
  if (array && !array->objects) {
    SPINNEY_TRY(spend(what, array->size(), element_bytes + array->dtype.item_size));
    for (size_t i = 0; i < array->size(); ++i)
      if (!take_raw(*array, storage_index(*array, i)))
        return refuse(i, "not of the kind expected (dtype " + array->dtype.text + ")");
    return {};
  }
  if (!list) {
    if (!take_value(value)) return corrupt(what + " is " + value.what());
    return {};
  }
  const size_t count = array ? array->size() : list->size();
  SPINNEY_TRY(spend(what, count, element_bytes));
  for (size_t i = 0; i < count; ++i) {
    const Value& element = (*list)[array ? storage_index(*array, i) : i];
    if (!take_value(element)) return refuse(i, element.what());
  }
  return {};
}

template <typename T>
bool push(std::vector<T>& out, std::optional<T> value) {
  if (!value) return false;
  out.push_back(*std::move(value));
  return true;
}

std::optional<std::string> to_text(const Value& value) {
  if (const auto text = value.string()) return std::string(*text);
  const NdArray* array = value.array();
  if (array && array->shape.empty() && !array->objects && array->dtype.is_text())
    return text_at(*array, 0);
  return std::nullopt;
}

}  // namespace

std::string place(const Record& record, std::string_view attribute) {
  return record.full_name() + "." + std::string(attribute);
}

const Value* optional_attribute(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  return value && !value->is_none() ? value : nullptr;
}

Result<const Value*> attribute(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  if (!value) return wrong(record, name, "a value");
  return value;
}

Result<double> number_attribute(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  const std::optional<double> number = value ? value->number() : std::nullopt;
  if (!number) return wrong(record, name, "a number");
  return *number;
}

Result<int64_t> integer_attribute(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  const std::optional<int64_t> number = value ? value->integer() : std::nullopt;
  if (!number) return wrong(record, name, "a whole number");
  return *number;
}

Result<uint32_t> count_attribute(const Record& record, std::string_view name, uint32_t max) {
  SPINNEY_ASSIGN(const int64_t number, integer_attribute(record, name));
  if (number < 0 || number > int64_t{max})
    return corrupt(place(record, name) + " is " + std::to_string(number) + ", outside 0 to " +
                   std::to_string(max));
  return static_cast<uint32_t>(number);
}

Result<std::string> text_attribute(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  std::optional<std::string> text = value ? to_text(*value) : std::nullopt;
  if (!text) return wrong(record, name, "a str");
  SPINNEY_TRY(spend(place(record, name), 1, text->size()));
  return *std::move(text);
}

Result<const Record*> record_attribute(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  if (!value || !value->record()) return wrong(record, name, "an object");
  return value->record();
}

Result<const NdArray*> array_attribute(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  if (!value || !value->array()) return wrong(record, name, "a numpy array");
  return value->array();
}

Result<const List*> list_attribute(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  if (value && value->list()) return value->list();
  if (value && value->array() && value->array()->objects) return value->array()->objects;
  return wrong(record, name, "a list");
}

Result<std::vector<double>> to_doubles(const Value& value, const std::string& what) {
  std::vector<double> out;
  const NdArray* array = value.array();
  const NumberReader reader = array ? NumberReader(array->dtype) : NumberReader();
  SPINNEY_TRY(each_element(
      value, what, sizeof(double), [&](const Value& v) { return push(out, v.number()); },
      [&](const NdArray& a, size_t i) {
        return push(out, reader.real(a.bytes.data() + i * a.dtype.item_size));
      }));
  return out;
}

Result<std::vector<int64_t>> to_integers(const Value& value, const std::string& what) {
  std::vector<int64_t> out;
  const NdArray* array = value.array();
  const NumberReader reader = array ? NumberReader(array->dtype) : NumberReader();
  SPINNEY_TRY(each_element(
      value, what, sizeof(int64_t), [&](const Value& v) { return push(out, v.integer()); },
      [&](const NdArray& a, size_t i) {
        return push(out, reader.whole(a.bytes.data() + i * a.dtype.item_size));
      }));
  return out;
}

Result<std::vector<std::string>> to_texts(const Value& value, const std::string& what) {
  std::vector<std::string> out;
  Status paid;
  const auto take = [&](const Value& v) {
    const auto text = v.string();
    if (text && paid.ok()) paid = spend(what, text->size(), 1);
    return paid.ok() && push(out, to_text(v));
  };
  const Status taken =
      each_element(value, what, sizeof(std::string), take,
                   [&](const NdArray& a, size_t i) { return push(out, text_at(a, i)); });
  if (!paid.ok()) return paid.error();
  if (!taken.ok()) return taken.error();
  return out;
}

// A list of plain Python numbers stands for an array of int64.
void name_second_class(Labels& labels) {
  std::visit([](auto& values) { values.push_back(values[0]); }, labels.values);
}

Result<Labels> to_labels(const Value& value, const std::string& what) {
  Labels labels;
  SPINNEY_TRY(spend(what, 1, sizeof(Labels), 1));
  const NdArray* array = value.array();
  if (!array) {
    if (!value.list()) return unsupported(what + " is " + value.what() + "; labels were expected");
    SPINNEY_ASSIGN(labels.values, to_integers(value, what));
    return labels;
  }
  const Result<LabelType> type = parse_label_type(array->dtype.text);
  if (!type.ok()) return Error{type.error().code, what + ": " + type.error().message};
  labels.dtype = array->dtype.is_object() ? "O" : array->dtype.text;
  labels.is_bool = type->kind == LabelKind::kBool;
  const LabelKind kind = type->kind;
  if (kind == LabelKind::kObject &&
      (!array->objects || array->objects->empty() || !to_text(array->objects->front())))
    return unsupported(what +
                       ": labels of mixed or unusual Python types; use int, float, bool or str "
                       "labels");
  if (kind == LabelKind::kFloat) {
    SPINNEY_ASSIGN(labels.values, to_doubles(value, what));
  } else if (kind == LabelKind::kText || kind == LabelKind::kBytes || kind == LabelKind::kObject) {
    SPINNEY_ASSIGN(labels.values, to_texts(value, what));
  } else {
    SPINNEY_ASSIGN(labels.values, to_integers(value, what));
  }
  return labels;
}

namespace {

// Versions whose models were compared with their own library's answers.
constexpr int kOldestMinor = 24;  // 0.24
constexpr int kNewestMinor = 9;   // 1.9

std::optional<std::string_view> version_of(const Record& record) {
  const Value* version = record.find("_sklearn_version");
  return version ? version->string() : std::nullopt;
}

bool is_tested(std::optional<Version> version) {
  if (!version) return false;
  return version->major == 0 ? version->minor >= kOldestMinor
                             : version->major == 1 && version->minor <= kNewestMinor;
}

}  // namespace

Status read_sklearn_source(const Record& record, DescriptionParts& description) {
  description.source.library = "sklearn";
  description.source.kind = std::string(record.name);
  const auto text = version_of(record);
  // Once for the version, once for a warning.
  if (text) SPINNEY_TRY(spend(place(record, "_sklearn_version"), 2, text->size()));
  if (text) description.source.version = std::string(*text);
  if (!text || !is_tested(parse_version(*text)))
    description.warnings.push_back(
        "this " + std::string(record.name) + " was written by scikit-learn " +
        (text ? std::string(*text) : std::string("of an unknown version")) +
        "; versions 0.24 to 1.9 are tested");
  return {};
}

bool written_before(const Record& record, int major, int minor) {
  const auto text = version_of(record);
  const std::optional<Version> version = text ? parse_version(*text) : std::nullopt;
  return version && version->before(major, minor);
}

Status read_feature_names(const Record& record, uint32_t n_features,
                          DescriptionParts& description) {
  const Value* names = optional_attribute(record, "feature_names_in_");
  if (!names) return {};
  SPINNEY_ASSIGN(description.feature_names, to_texts(*names, place(record, "feature_names_in_")));
  if (description.feature_names.size() != n_features)
    return corrupt(place(record, "feature_names_in_") + " holds " +
                   std::to_string(description.feature_names.size()) + " names for " +
                   std::to_string(n_features) + " features");
  return {};
}

Status read_sklearn_common(const Record& record, DescriptionParts& description,
                           uint32_t& n_features) {
  const bool modern = optional_attribute(record, "n_features_in_") != nullptr;
  SPINNEY_ASSIGN(n_features, count_attribute(record, modern ? "n_features_in_" : "n_features_"));
  SPINNEY_TRY(read_sklearn_source(record, description));
  return read_feature_names(record, n_features, description);
}

}  // namespace spinney::load
