// What a model's information says: its loss, its classes, its threshold, who wrote it.
#include <charconv>
#include <cmath>
#include <string>

#include "spinney/load/catboost/tables.h"
#include "spinney/load/file/budget.h"

namespace spinney::load::catboost {
namespace {

// "Branch: tags/v1.2.10", or in between "Summary: CatBoost release 1.0.6".
std::string version_in(std::string_view text) {
  for (const std::string_view before : {"tags/v", "release ", "release-"}) {
    const size_t found = text.find(before);
    if (found == std::string_view::npos) continue;
    const std::string_view rest = text.substr(found + before.size());
    const size_t end = rest.find_first_not_of("0123456789.");
    std::string_view number = rest.substr(0, end);
    while (number.ends_with('.')) number.remove_suffix(1);
    if (!number.empty() && number.size() < 32) return std::string(number);
  }
  return "";
}

template <typename T>
Status read_names(const Field& names, const char* dtype, Labels& labels) {
  std::vector<T> values;
  SPINNEY_TRY(names.read(values, "class_names"));
  SPINNEY_TRY(spend("the model's classes", values.size(), 2 * sizeof(T)));
  labels.values = std::move(values);
  labels.dtype = dtype;
  return {};
}

// Names, their type, and (which are not needed) the numbers that the training gave them.
Status read_classes(const Field& classes, Facts& facts) {
  facts.has_classes = true;
  const Field names = classes.find("class_names");
  if (!names || names.raw().empty()) return {};
  std::string type;
  if (const Field given = classes.find("class_label_type")) {
    SPINNEY_ASSIGN(type, given.string("class_label_type"));
  }
  Labels labels;
  if (type == "String" || (type.empty() && names.raw().starts_with('"'))) {
    SPINNEY_TRY(read_names<std::string>(names, "|O", labels));
  } else if (type == "Boolean") {
    SPINNEY_TRY(read_names<int64_t>(names, "|b1", labels));
    labels.is_bool = true;
  } else if (type == "Float") {
    SPINNEY_TRY(read_names<double>(names, "<f8", labels));
  } else if (type == "Integer" || type.empty()) {
    SPINNEY_TRY(read_names<int64_t>(names, "<i8", labels));
  } else {
    return unsupported("the model's classes are of the unknown type \"" + type + "\"");
  }
  facts.classes = std::move(labels);
  return {};
}

Status read_threshold(const std::string& text, Facts& facts) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= 1))
    return corrupt("binclass_probability_threshold is \"" + text +
                   "\"; expected a number of 0 to 1");
  facts.threshold = value;
  return {};
}

}  // namespace

Status read_fact(std::string_view key, const Field& value, Facts& facts) {
  if (key == "params") {
    const Field loss = value.find("loss_function").find("type");
    if (!loss) return {};
    SPINNEY_ASSIGN(facts.loss, loss.string("loss_function"));
  } else if (key == "class_params") {
    return read_classes(value, facts);
  } else if (key == "catboost_version_info") {
    facts.version = version_in(value.raw());
  } else if (key == "binclass_probability_threshold") {
    return read_threshold(std::string(value.raw()), facts);
  }
  return {};
}

}  // namespace spinney::load::catboost
