// make_description(): what readers and artifacts say above the trees, checked once for all of them.
#include <algorithm>
#include <cmath>
#include <string>

#include "spinney/model/description.h"
#include "spinney/model/graph.h"

namespace spinney {
namespace {

std::string column(uint32_t feature) { return "column " + std::to_string(feature); }

// A scorer that another room filled in by hand is refused like any other that is not whole.
Status check_scorer(const DescriptionParts& parts) {
  if (const auto* linear = std::get_if<Linear>(&parts.scorer)) return check_linear(*linear);
  if (const auto* graph = std::get_if<GraphPtr>(&parts.scorer)) {
    if (*graph) return {};
    return corrupt("the model has no scorer: its graph was never made");
  }
  if (std::get<Forest>(parts.scorer).is_checked()) return {};
  return corrupt("the model has no scorer: its forest was never made");
}

// Scores that are one for each class are as many as labels in the file, whatever number it
// declares.
Status check_classes(const DescriptionParts& parts) {
  const auto* graph = std::get_if<GraphPtr>(&parts.scorer);
  if (!graph) return {};
  const uint32_t wanted = (*graph)->shape((*graph)->answers().scores).classes;
  if (wanted == 0 || (parts.output.labels.size() == 1 && parts.output.labels[0].size() == wanted))
    return {};
  return corrupt("the ensemble combines " + std::to_string(wanted) +
                 " classes and does not name them");
}

// What a graph answers besides its scores stands where the link or the decision would be.
Status check_answers(const DescriptionParts& parts) {
  const auto* held = std::get_if<GraphPtr>(&parts.scorer);
  const bool by_node = parts.output.decision == Decision::kByNode;
  if (!held || (*held)->answers().classes == kNoNode) {
    if (by_node) return corrupt("the model decides by a node for classes, and there is none");
    if (!held) return {};
  }
  const Graph& graph = **held;
  const GraphAnswers& answers = graph.answers();
  if (answers.classes != kNoNode) {
    const NodeShape& shape = graph.shape(answers.classes);
    const std::vector<Labels>& labels = parts.output.labels;
    bool fit = by_node && shape.columns == labels.size();
    for (size_t t = 0; fit && t < labels.size(); ++t)
      fit = (shape.targets.empty() ? shape.classes : shape.targets[t]) <= labels[t].size();
    if (!fit)
      return corrupt("the model has a node that decides for " + std::to_string(shape.columns) +
                     " targets, and names other classes");
  }
  if (answers.values == kNoNode) return {};
  const NodeShape& shape = graph.shape(answers.values);
  if (parts.output.link.kind == LinkKind::kIdentity && parts.output.link.divisor == 1 &&
      shape.columns == graph.n_outputs() &&
      shape.type == static_cast<ColumnType>(parts.output.value_type))
    return {};
  return corrupt("the model has a node for its values, and others besides");
}

Status check_codes_of(const DescriptionParts& parts) {
  const Quantization& quantization = *parts.quantization;
  if (quantization.type > CodeType::kFloat16 || quantization.score_type > NumberType::kFloat64)
    return corrupt("the quantized model has codes or scores of an unknown type");
  SPINNEY_TRY(check_quantization(quantization, parts.n_outputs()));
  const auto* forest = std::get_if<Forest>(&parts.scorer);
  if (std::holds_alternative<GraphPtr>(parts.scorer))
    return corrupt("an ensemble of whole models has no codes of its own");
  if (forest &&
      (forest->settings().reduction != Reduction::kSum || !forest->linear_leaves.empty() ||
       !forest->matrix_leaf_values.empty() || quantization.type == CodeType::kFloat16))
    return corrupt("the quantized forest has leaves that are no sums of integer codes");
  if (!forest && quantization.type == CodeType::kInt16)
    return corrupt("the quantized linear model has weights of int16; int8 and float16 are known");
  return {};
}

Status check_names(const DescriptionParts& parts) {
  if (parts.feature_names.empty() || parts.feature_names.size() == parts.n_features()) return {};
  return corrupt("the model holds " + std::to_string(parts.feature_names.size()) + " names for " +
                 std::to_string(parts.n_features()) + " features");
}

// The columns that `each` describes, which must exist and be described once.
template <typename Each>
Status check_columns(const std::vector<Each>& each, uint32_t n_features, const char* what) {
  std::vector<uint32_t> features;
  for (const Each& one : each) {
    if (one.feature >= n_features)
      return corrupt("the model has " + std::string(what) + " for " + column(one.feature) + " of " +
                     std::to_string(n_features));
    features.push_back(one.feature);
  }
  std::sort(features.begin(), features.end());
  const auto twice = std::adjacent_find(features.begin(), features.end());
  if (twice == features.end()) return {};
  return corrupt("the model has " + std::string(what) + " for " + column(*twice) + " twice");
}

// A number has one code. Texts may repeat: XGBoost up to 3.2 cuts those beyond ASCII in the wrong
// places, and takes a frame's for the same that it cut alike.
template <typename T>
Status check_distinct(std::vector<T> values, uint32_t feature) {
  if constexpr (std::is_same_v<T, double>)
    if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); }))
      return corrupt("a category of " + column(feature) + " is NaN");
  std::sort(values.begin(), values.end());
  const auto twice = std::adjacent_find(values.begin(), values.end());
  if (twice == values.end()) return {};
  return corrupt("category " + std::to_string(*twice) + " of " + column(feature) +
                 " stands in its list twice");
}

Status check_categories(const DescriptionParts& parts) {
  if (!parts.categories_by_position)
    SPINNEY_TRY(check_columns(parts.categories, parts.n_features(), "categories"));
  for (size_t i = 0; i < parts.categories.size(); ++i) {
    const ColumnCategories& categories = parts.categories[i];
    if (parts.categories_by_position && categories.feature != i)
      return corrupt("categories that go by position are numbered " + std::to_string(i) + ", not " +
                     std::to_string(categories.feature));
    if (const auto* whole = std::get_if<std::vector<int64_t>>(&categories.values))
      SPINNEY_TRY(check_distinct(*whole, categories.feature));
    if (const auto* real = std::get_if<std::vector<double>>(&categories.values))
      SPINNEY_TRY(check_distinct(*real, categories.feature));
  }
  return {};
}

// Encoding looks values up by bisection, and only forests' plans encode.
Status check_number_codes(const DescriptionParts& parts) {
  if (parts.number_codes.empty()) return {};
  const auto* forest = std::get_if<Forest>(&parts.scorer);
  if (!forest) return corrupt("only the columns of a forest can be encoded, and this is none");
  if (!std::isnan(forest->settings().missing_value))
    return corrupt("the model encodes columns and has a number for missing values besides");
  SPINNEY_TRY(check_columns(parts.number_codes, parts.n_features(), "codes"));
  for (const NumberCodes& codes : parts.number_codes) {
    const std::vector<double>& v = codes.values;
    const bool ascends = std::adjacent_find(v.begin(), v.end(),
                                            [](double a, double b) { return !(a < b); }) == v.end();
    if (!ascends || (!v.empty() && std::isnan(v[0])))
      return corrupt("the values that " + column(codes.feature) + " is encoded by do not ascend");
  }
  return {};
}

// The schema's names are the features', and a model within a graph is given the graph's rows.
Status check_columns_in(DescriptionParts& parts) {
  if (const auto* graph = std::get_if<GraphPtr>(&parts.scorer))
    for (const ScoreNode* score : (*graph)->scorers())
      if (score->model->schema && score->model->schema->has_texts())
        return unsupported(
            "a model within this ensemble has columns of text of its own, which the ensemble's "
            "rows do not have");
  if (!parts.schema) return {};
  const std::vector<SchemaColumn>& columns = parts.schema->columns;
  if (columns.size() != parts.n_features())
    return corrupt("the model describes " + std::to_string(columns.size()) + " columns of " +
                   std::to_string(parts.n_features()));
  if (parts.category_tables || !parts.categories.empty() || !parts.number_codes.empty())
    return corrupt("the model describes its columns, and encodes them otherwise besides");
  SPINNEY_TRY(check_schema(*parts.schema));
  std::vector<std::string> names;
  bool any = false;
  for (const SchemaColumn& one : columns) {
    names.push_back(one.name);
    any = any || !one.name.empty();
  }
  if (any && parts.feature_names.empty())
    parts.feature_names = std::move(names);
  else if (any && parts.feature_names != names)
    return corrupt("the model's columns and its features have different names");
  return {};
}

// The columns that are computed are those that the trees test.
Status check_category_columns(const DescriptionParts& parts) {
  if (!parts.category_tables) return {};
  const CategoryTables& tables = *parts.category_tables;
  SPINNEY_TRY(check_category_tables(tables));
  const auto* forest = std::get_if<Forest>(&parts.scorer);
  if (!forest || forest->settings().n_features != tables.width())
    return corrupt("the model computes " + std::to_string(tables.width()) +
                   " columns of its categories, and its trees are of others");
  if (!parts.number_codes.empty() || !parts.categories.empty() ||
      !std::isnan(forest->settings().missing_value) ||
      forest->settings().input != NumberType::kFloat32)
    return corrupt("the model computes columns of categories, and encodes them otherwise besides");
  return {};
}

}  // namespace

Result<Description> make_description(DescriptionParts parts) {
  SPINNEY_TRY(check_scorer(parts));
  SPINNEY_TRY(check_output(parts.output, parts.n_outputs()));
  SPINNEY_TRY(check_classes(parts));
  SPINNEY_TRY(check_answers(parts));
  if (parts.quantization) SPINNEY_TRY(check_codes_of(parts));
  SPINNEY_TRY(check_names(parts));
  SPINNEY_TRY(check_categories(parts));
  SPINNEY_TRY(check_number_codes(parts));
  SPINNEY_TRY(check_category_columns(parts));
  SPINNEY_TRY(check_columns_in(parts));
  return Description(std::make_shared<const DescriptionParts>(std::move(parts)));
}

}  // namespace spinney
