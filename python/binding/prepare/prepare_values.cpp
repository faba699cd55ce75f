#include <nanobind/nanobind.h>

#include <string>
#include <vector>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/numpy_api.h"
#include "binding/prepare/prepare.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

using prepare::Fill;
using prepare::Options;
using prepare::Recipe;

template <typename T>
T take(const nb::dict& values, const char* name) {
  return nb::cast<T>(values[name]);
}

template <typename Enum>
Enum take_enum(const nb::dict& values, const char* name, Enum last) {
  const int number = take<int>(values, name);
  if (number < 0 || number > static_cast<int>(last)) {
    raise(invalid_argument(std::string(name) + " is the unknown choice " + std::to_string(number)));
    throw nb::python_error();
  }
  return static_cast<Enum>(number);
}

nb::object array_of(const double* values, npy_intp rows, npy_intp columns) {
  npy_intp shape[2] = {rows, columns};
  PyObject* made = PyArray_SimpleNew(columns < 0 ? 1 : 2, shape, NPY_DOUBLE);
  if (!made) throw nb::python_error();
  auto* array = reinterpret_cast<PyArrayObject*>(made);
  std::copy_n(values, PyArray_SIZE(array), static_cast<double*>(PyArray_DATA(array)));
  return nb::steal(made);
}

void put(nb::dict& to, const char* name, const std::vector<double>& values) {
  if (values.empty()) return;
  to[name] = array_of(values.data(), static_cast<npy_intp>(values.size()), -1);
}

}  // namespace

Options prepare_options(const nb::dict& v) {
  Options o;
  o.normalization = take_enum(v, "normalization", prepare::Normalization::kBoxCox);
  o.missing = take_enum(v, "missing", Fill::kRange);
  o.infinite = take_enum(v, "infinite", Fill::kRange);
  o.outliers = take_enum(v, "outliers", prepare::OutlierRule::kPercentile);
  o.outlier_action = take_enum(v, "outlier_action", prepare::OutlierAction::kKeep);
  o.quantile_normal = take<bool>(v, "quantile_normal");
  o.clip = take<bool>(v, "clip");
  const std::pair<const char*, double*> numbers[] = {
      {"robust_low", &o.robust_low},
      {"robust_high", &o.robust_high},
      {"range_low", &o.range_low},
      {"range_high", &o.range_high},
      {"missing_constant", &o.missing_constant},
      {"infinite_constant", &o.infinite_constant},
      {"infinite_buffer", &o.infinite_buffer},
      {"iqr_multiplier", &o.iqr_multiplier},
      {"zscore", &o.zscore},
      {"percentile_low", &o.percentile_low},
      {"percentile_high", &o.percentile_high},
      {"clip_low", &o.clip_low},
      {"clip_high", &o.clip_high},
      {"offset", &o.offset},
      {"epsilon", &o.epsilon},
  };
  for (const auto& [name, place] : numbers) *place = take<double>(v, name);
  o.quantile_count = take<uint32_t>(v, "quantile_count");
  o.sketch_size = take<uint32_t>(v, "sketch_size");
  return o;
}

nb::dict recipe_dict(const Recipe& recipe) {
  nb::dict to;
  put(to, "missing_fill", recipe.missing_fill);
  put(to, "positive_fill", recipe.positive_fill);
  put(to, "negative_fill", recipe.negative_fill);
  put(to, "outlier_low", recipe.low);
  put(to, "outlier_high", recipe.high);
  put(to, "outlier_below", recipe.below);
  put(to, "outlier_above", recipe.above);
  put(to, "center", recipe.center);
  put(to, "scale", recipe.scale);
  put(to, "lambdas", recipe.lambda);
  if (recipe.quantile_count > 0)
    to["quantiles"] = array_of(recipe.quantiles.data(), static_cast<npy_intp>(recipe.width()),
                               static_cast<npy_intp>(recipe.quantile_count));
  return to;
}

nb::dict statistics_dict(const prepare::Statistics& statistics) {
  const prepare::Moments moments = statistics.moments();
  nb::dict to;
  to["rows"] = statistics.rows();
  put(to, "count", moments.count);
  put(to, "mean", moments.mean);
  put(to, "m2", moments.m2);
  put(to, "min", moments.min);
  put(to, "max", moments.max);
  put(to, "missing", moments.missing);
  put(to, "positive", moments.positive);
  put(to, "negative", moments.negative);
  std::vector<double> rank(statistics.width()), frequency(statistics.width());
  for (size_t c = 0; c < statistics.width(); ++c) {
    rank[c] = statistics.rank_error_max(c);
    frequency[c] = static_cast<double>(statistics.frequency_error(c));
  }
  put(to, "rank_error_max", rank);
  put(to, "frequency_error_max", frequency);
  return to;
}

}  // namespace spinney::binding
