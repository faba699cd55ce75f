#include "binding/model/split_values.h"

#include <nanobind/ndarray.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <variant>
#include <vector>

#include "binding/interpreter/errors.h"
#include "binding/model/model.h"
#include "spinney/model/graph.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

struct SplitValues {
  std::vector<double> thresholds;
  std::vector<double> categories;
};

void add_categories(const Forest& forest, const Node& node, std::vector<double>& out) {
  const CategorySet& set = forest.category_sets[node.category_set()];
  for (uint32_t c = 0; c < set.word_count * 32; ++c) {
    if (forest.category_words[set.first_word + c / 32] >> (c % 32) & 1U) out.push_back(c);
  }
}

// columns maps the scorer's features to the whole model's; kNoNode: to none, it is computed.
void collect(const Description& model, const std::vector<uint32_t>& columns,
             std::vector<SplitValues>& out) {
  if (const auto* forest = std::get_if<Forest>(&model.scorer)) {
    for (const Node& node : forest->nodes.span()) {
      if (node.is_leaf()) continue;
      // Columns that are computed of categories are none of a row's.
      if (model.category_tables && node.feature >= model.n_features()) continue;
      if (columns[node.feature] == kNoNode) continue;
      SplitValues& values = out[columns[node.feature]];
      if (node.is_categorical()) {
        add_categories(*forest, node, values.categories);
      } else {
        values.thresholds.push_back(node.threshold);
      }
    }
  } else if (const auto* graph = std::get_if<GraphPtr>(&model.scorer)) {
    for (const ScoreNode* score : (*graph)->scorers()) {
      std::vector<uint32_t> inner = (*graph)->origins(score->from);
      for (uint32_t& column : inner)
        if (column != kNoNode) column = columns[column];
      collect(*score->model, inner, out);
    }
  }
}

nb::object sorted_array(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  auto held = std::make_unique<std::vector<double>>(std::move(values));
  double* data = held->data();
  const size_t size = held->size();
  nb::capsule owner(held.release(),
                    [](void* p) noexcept { delete static_cast<std::vector<double>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, double, nb::ndim<1>>(data, {size}, owner));
}

// A list of a pair of arrays for every feature, and a file of a few bytes may claim billions.
constexpr uint32_t kFeaturesMax = 1u << 20;

nb::list split_values(const BoundModel& bound) {
  if (bound.model.n_features() > kFeaturesMax) {
    raise(too_large("the model has " + std::to_string(bound.model.n_features()) +
                    " features; values of its splits are listed for up to " +
                    std::to_string(kFeaturesMax)));
    throw nb::python_error();
  }
  std::vector<SplitValues> values(bound.model.n_features());
  std::vector<uint32_t> columns(values.size());
  std::iota(columns.begin(), columns.end(), 0u);
  collect(bound.model.description(), columns, values);
  nb::list result;
  for (SplitValues& one : values) {
    result.append(nb::make_tuple(sorted_array(std::move(one.thresholds)),
                                 sorted_array(std::move(one.categories))));
  }
  return result;
}

}  // namespace

void define_split_values(nb::module_& module) { module.def("_split_values", &split_values); }

}  // namespace spinney::binding
