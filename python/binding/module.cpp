#define SPINNEY_IMPORTS_NUMPY
#include "binding/numpy_api.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "binding/errors.h"
#include "binding/labels.h"
#include "binding/model.h"
#include "binding/predict.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

bool import_numpy() {
  import_array1(false);
  return true;
}

[[noreturn]] void fail(const Error& error) {
  raise(error);
  throw nb::python_error();
}

load::Format format_of(const std::optional<std::string>& name) {
  if (!name) return load::Format::kGuess;
  if (*name == "json") return load::Format::kXgboostJson;
  if (*name == "ubj") return load::Format::kXgboostUbjson;
  if (*name == "text") return load::Format::kLightgbmText;
  if (*name == "pickle" || *name == "joblib") return load::Format::kPickle;
  if (*name == "spinney") return load::Format::kSpinney;
  fail(invalid_argument("format is '" + *name +
                        "'; it may be json, ubj, text, pickle, joblib or spinney, or None to "
                        "tell by the content"));
}

BoundModel bind(Result<Model> loaded) {
  if (!loaded.ok()) fail(loaded.error());
  BoundModel bound(std::move(loaded).value());
  for (const Labels& labels : bound.model.description().output.labels) {
    Owned array(make_label_array(labels));
    if (!array) throw nb::python_error();
    bound.classes.push_back(std::move(array));
  }
  return bound;
}

template <typename Load>
Result<Model> without_gil(Load&& load) {
  nb::gil_scoped_release release;
  return load();
}

BoundModel load_file(const std::string& path, const std::optional<std::string>& format) {
  const load::Format kind = format_of(format);
  return bind(without_gil([&] { return Model::load(path, kind); }));
}

BoundModel from_bytes(nb::bytes data, const std::optional<std::string>& format) {
  const load::Format kind = format_of(format);
  const std::span<const char> bytes(data.c_str(), data.size());
  return bind(without_gil([&] { return Model::from_bytes(bytes, kind); }));
}

}  // namespace

NB_MODULE(_core, m) {
  if (!import_numpy()) throw nb::python_error();
  m.attr("__version__") = SPINNEY_VERSION;
  PyType_Slot slots[] = {{Py_tp_methods, kPredictMethods}, {0, nullptr}};
  nb::class_<BoundModel>(m, "Model", nb::type_slots(slots))
      .def_static("load", &load_file, "path"_a, "format"_a = nb::none())
      .def_static("from_bytes", &from_bytes, "data"_a, "format"_a = nb::none())
      .def_prop_ro("n_features", [](const BoundModel& b) { return b.model.n_features(); })
      .def_prop_ro("n_outputs", [](const BoundModel& b) { return b.model.n_outputs(); })
      .def_prop_ro("n_trees", [](const BoundModel& b) { return b.model.description().n_trees(); });
}

}  // namespace spinney::binding
