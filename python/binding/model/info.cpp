#include "binding/model/info.h"

#include <nanobind/stl/string.h>

#include <algorithm>

#include "spinney/cpu/features.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

const char* name(NumberType type) { return type == NumberType::kFloat32 ? "float32" : "float64"; }

const char* name(Task task) {
  switch (task) {
    case Task::kRegression:
      return "regression";
    case Task::kBinary:
      return "binary";
    case Task::kMulticlass:
      return "multiclass";
    case Task::kRanking:
      return "ranking";
    case Task::kOutlier:
      return "outlier";
  }
  return "unknown";
}

const char* scorer_name(const Description& model) {
  if (std::holds_alternative<Forest>(model.scorer)) return "forest";
  return std::holds_alternative<Linear>(model.scorer) ? "linear" : "ensemble";
}

nb::list kernels(const BoundModel& bound) {
  nb::list out;
  for (const plan::KernelChoice& choice : bound.model.plan().choices()) {
    nb::dict entry;
    entry["rows"] = choice.rows;
    entry["kernel"] = choice.kernel;
    out.append(entry);
  }
  return out;
}

void add_forest(const Forest& forest, nb::dict& out) {
  size_t leaves = 0;
  for (const Node& node : forest.nodes) leaves += node.is_leaf();
  out["n_nodes"] = forest.n_nodes();
  out["n_leaves"] = leaves;
  out["input_type"] = name(forest.settings().input);
}

// XGBClassifier numbers its classes in int64, whatever its predict gives: int32 by the margins of
// multi:softmax, and floats, a column a label, for several labels, which share the classes 0 and 1.
bool has_classes_of_its_own(const BoundModel& bound) {
  const Description& model = bound.model.description();
  return model.source.library == "xgboost" &&
         (bound.classes.size() > 1 || model.output.decision_on_raw);
}

nb::object plain(const PlainValue& held);

nb::object plain_list(const PlainList& list) {
  nb::list out;
  for (const PlainValue& item : list.items) out.append(plain(item));
  return out;
}

nb::object plain_dict(const PlainDict& dict) {
  nb::dict out;
  for (size_t i = 0; i < dict.keys.size(); ++i) out[plain(dict.keys[i])] = plain(dict.values[i]);
  return out;
}

nb::object plain_array(const PlainArray& array) {
  const nb::object numpy = nb::module_::import_("numpy");
  nb::list shape;
  for (const int64_t extent : array.shape) shape.append(extent);
  const nb::bytes bytes(array.bytes.data(), array.bytes.size());
  return numpy.attr("frombuffer")(bytes, array.dtype)
      .attr("reshape")(nb::tuple(shape), nb::arg("order") = array.fortran_order ? "F" : "C")
      .attr("copy")();
}

nb::object plain(const PlainValue& held) {
  struct Maker {
    nb::object operator()(std::monostate) const { return nb::none(); }
    nb::object operator()(bool flag) const { return nb::bool_(flag); }
    nb::object operator()(int64_t number) const { return nb::int_(number); }
    nb::object operator()(double number) const { return nb::float_(number); }
    nb::object operator()(const std::string& value) const { return text(value); }
    nb::object operator()(const PlainList& list) const { return plain_list(list); }
    nb::object operator()(const PlainDict& dict) const { return plain_dict(dict); }
    nb::object operator()(const PlainArray& array) const { return plain_array(array); }
  };
  return std::visit(Maker{}, held.value);
}

}  // namespace

nb::object text(const std::string& value) {
  return nb::steal(PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()),
                                        "backslashreplace"));
}

nb::list feature_names(const BoundModel& bound) {
  nb::list out;
  for (const std::string& feature : bound.model.description().feature_names)
    out.append(text(feature));
  return out;
}

nb::list columns(const BoundModel& bound) {
  const Description& model = bound.model.description();
  constexpr const char* kKinds[] = {"number", "text", "boolean"};
  nb::list out;
  for (size_t c = 0; c < model.n_features(); ++c) {
    const SchemaColumn* column = model.schema ? &model.schema->columns[c] : nullptr;
    const bool named = c < model.feature_names.size() && !model.feature_names[c].empty();
    nb::dict told;
    told["name"] = named ? text(model.feature_names[c]) : nb::none();
    told["kind"] = kKinds[column ? static_cast<size_t>(column->kind) : 0];
    if (column && column->kind == ColumnKind::kText) {
      nb::list values;
      for (const std::string& value : column->values)
        values.append(nb::steal(PyUnicode_DecodeUTF8(
            value.data(), static_cast<Py_ssize_t>(value.size()), "surrogatepass")));
      told["values"] = values;
      told["unknown"] = column->unknown_allowed ? "allowed" : "refused";
    }
    if (column) told["missing"] = column->missing_allowed ? "allowed" : "refused";
    out.append(told);
  }
  return out;
}

nb::dict source(const BoundModel& bound) {
  const Source& from = bound.model.description().source;
  nb::dict out;
  out["library"] = text(from.library);
  out["version"] = text(from.version);
  out["kind"] = text(from.kind);
  out["format"] = text(from.format);
  return out;
}

nb::dict categories(const BoundModel& bound) {
  nb::dict out;
  for (const ColumnCategories& column : bound.model.description().categories) {
    nb::list values;
    std::visit(
        [&](const auto& typed) {
          for (const auto& value : typed) {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>)
              values.append(text(value));
            else
              values.append(value);
          }
        },
        column.values);
    out[nb::int_(column.feature)] = values;
  }
  return out;
}

nb::object classes(const BoundModel& bound) {
  if (bound.classes.empty())
    throw nb::attribute_error(
        (bound.model.description().source.kind + " has no classes_: its predict gives values")
            .c_str());
  const nb::object first = nb::borrow(bound.classes[0].get());
  if (has_classes_of_its_own(bound)) return first.attr("astype")("int64");
  if (bound.classes.size() == 1) {
    if (nb::len(first) != 2 || !first[nb::int_(0)].equal(first[nb::int_(1)])) return first;
    return first[nb::slice(0, 1)];  // trained on one class; see name_second_class()
  }
  nb::list out;
  for (const Owned& array : bound.classes) out.append(nb::borrow(array.get()));
  return out;
}

nb::dict info(const BoundModel& bound) {
  const Description& model = bound.model.description();
  nb::dict out = source(bound);
  out["objective"] = text(model.output.objective);
  out["task"] = name(model.output.task);
  out["scorer"] = scorer_name(model);
  out["n_features"] = model.n_features();
  out["n_outputs"] = model.n_outputs();
  out["n_trees"] = model.n_trees();
  out["n_trees_in_file"] = std::max<size_t>(model.trees.in_file, model.n_trees());
  out["trees_rule"] = text(model.trees.rule.empty() ? "all" : model.trees.rule);
  out["raw_type"] = name(model.score_type());
  out["value_type"] = name(model.output.value_type);
  out["has_probabilities"] = model.output.has_probabilities;
  out["predicts"] = model.output.decision == Decision::kValues ? "values" : "labels";
  out["kernels"] = kernels(bound);
  out["instruction_set"] = std::string(cpu::name(cpu::usable_isa()));
  out["model_bytes"] = model.bytes();
  out["plan_bytes"] = bound.model.plan().bytes();
  if (const auto* forest = std::get_if<Forest>(&model.scorer)) add_forest(*forest, out);
  nb::list warnings;
  for (const std::string& warning : model.warnings) warnings.append(text(warning));
  out["warnings"] = warnings;
  const auto& beside = model.parts().beside;
  out["beside"] = beside ? plain(*beside) : nb::object(nb::dict());
  return out;
}

std::string repr(const BoundModel& bound) {
  const Description& model = bound.model.description();
  std::string out = "<spinney.Model " + model.source.kind + " (" + model.source.library;
  if (!model.source.version.empty()) out += " " + model.source.version;
  out += "): ";
  if (model.n_trees() > 0) out += std::to_string(model.n_trees()) + " trees, ";
  out += std::to_string(model.n_features()) + " features";
  if (!model.output.objective.empty()) out += ", " + model.output.objective;
  return out + ">";
}

}  // namespace spinney::binding
