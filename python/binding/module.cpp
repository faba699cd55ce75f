#define SPINNEY_IMPORTS_NUMPY
#include "binding/interpreter/numpy_api.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "binding/cache/cache.h"
#include "binding/engine/batch_lane.h"
#include "binding/engine/engine.h"
#include "binding/engine/outcomes.h"
#include "binding/engine/rank_key.h"
#include "binding/futures/future.h"
#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/threads.h"
#include "binding/memory/pool.h"
#include "binding/metrics/metrics.h"
#include "binding/model/category_rows.h"
#include "binding/model/coded_cells.h"
#include "binding/model/combine.h"
#include "binding/model/info.h"
#include "binding/model/model.h"
#include "binding/model/predict.h"
#include "binding/model/result_memory.h"
#include "binding/model/split_values.h"
#include "binding/prepare/prepare.h"
#include "binding/quantize/quantize.h"
#include "binding/server/server.h"
#include "spinney/model/stored_entries.h"
#include "spinney/model/variant.h"

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
  if (*name == "json") return load::Format::kJson;
  if (*name == "ubj") return load::Format::kXgboostUbjson;
  if (*name == "text") return load::Format::kLightgbmText;
  if (*name == "cbm") return load::Format::kCatboostCbm;
  if (*name == "pickle" || *name == "joblib") return load::Format::kPickle;
  if (*name == "spinney") return load::Format::kSpinney;
  if (*name == "skops") return load::Format::kSkops;
  if (*name == "treelite") return load::Format::kTreelite;
  if (*name == "binary") return load::Format::kXgboostBinary;
  fail(invalid_argument("format is '" + *name +
                        "'; it may be json, ubj, binary, text, cbm, treelite, pickle, joblib, "
                        "skops or spinney, or None to tell by the content"));
}

using Bound = std::unique_ptr<BoundModel>;

// Loads outside the interpreter's lock. A file may be of any size, so memory may run out.
template <typename Load>
Bound bind(Load&& load) {
  std::optional<Result<Model>> loaded;
  {
    const Unlocked released;
    loaded.emplace(load());
  }
  if (!loaded->ok()) fail(loaded->error());
  Bound bound = BoundModel::make(std::move(*loaded).value());
  if (!bound) throw nb::python_error();
  return bound;
}

// A path's bytes as the file system has them, which need not be UTF-8.
std::string path_of(nb::handle path) {
  nb::object name = nb::steal(PyOS_FSPath(path.ptr()));
  if (name.is_valid() && PyUnicode_Check(name.ptr()))
    name = nb::steal(PyUnicode_EncodeFSDefault(name.ptr()));
  if (!name.is_valid()) throw nb::python_error();
  return {PyBytes_AS_STRING(name.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(name.ptr()))};
}

using Iterations = std::optional<std::pair<int64_t, int64_t>>;
using Count = std::optional<int64_t>;

Bound load_file(nb::handle path, const std::optional<std::string>& format, bool as_booster,
                const Iterations& iteration_range, Count start_iteration, Count num_iteration,
                Count ntree_start, Count ntree_end, const std::string& member, bool copy) {
  const load::LoadOptions options{format_of(format),
                                  copy,
                                  {as_booster, iteration_range, start_iteration, num_iteration,
                                   ntree_start, ntree_end, member}};
  const std::string name = path_of(path);
  return bind([&] { return Model::load(name, options); });
}

Result<Model> load_named(std::span<const char> bytes, load::Format format, const std::string& name,
                         const std::optional<std::string>& source_format,
                         const load::Choice& choice) {
  SPINNEY_ASSIGN(Description description, load::load_bytes(bytes, format, name, choice));
  if (!source_format) return Model::make(std::make_shared<const Description>(description));
  DescriptionParts parts = description.parts();
  parts.source.format = *source_format;
  SPINNEY_ASSIGN(Description renamed, make_description(std::move(parts)));
  return Model::make(std::make_shared<const Description>(std::move(renamed)));
}

Bound from_bytes(nb::bytes data, const std::optional<std::string>& format, const std::string& name,
                 const std::optional<std::string>& source_format, bool as_booster,
                 const Iterations& iteration_range, Count start_iteration, Count num_iteration,
                 Count ntree_start, Count ntree_end, const std::string& member) {
  const load::Format kind = format_of(format);
  const load::Choice choice{as_booster,  iteration_range, start_iteration, num_iteration,
                            ntree_start, ntree_end,       member};
  const std::span<const char> bytes(data.c_str(), data.size());
  return bind([&] { return load_named(bytes, kind, name, source_format, choice); });
}

// Another model, to which this value is missing as well.
Bound with_missing(const BoundModel& bound, double missing) {
  return bind([&]() -> Result<Model> {
    SPINNEY_ASSIGN(Description other, with_missing_value(bound.model.description(), missing));
    return Model::make(std::make_shared<const Description>(std::move(other)));
  });
}

// Another model, whose columns are these: (name, kind, values, missing_allowed, unknown_allowed).
Bound with_schema(const BoundModel& bound, const nb::list& columns) {
  auto schema = std::make_shared<Schema>();
  const auto utf8 = [](nb::handle text) {
    const auto bytes = nb::cast<nb::bytes>(text.attr("encode")("utf-8", "surrogatepass"));
    return std::string(bytes.c_str(), bytes.size());
  };
  for (const nb::handle each : columns) {
    const auto told = nb::cast<nb::tuple>(each);
    SchemaColumn column;
    column.name = utf8(told[0]);
    column.kind = static_cast<ColumnKind>(nb::cast<uint8_t>(told[1]));
    for (const nb::handle value : nb::cast<nb::list>(told[2])) column.values.push_back(utf8(value));
    column.missing_allowed = nb::cast<bool>(told[3]);
    column.unknown_allowed = nb::cast<bool>(told[4]);
    schema->columns.push_back(std::move(column));
  }
  return bind([&]() -> Result<Model> {
    DescriptionParts parts = bound.model.description().parts();
    parts.schema = std::move(schema);
    SPINNEY_ASSIGN(Description made, make_description(std::move(parts)));
    return Model::make(std::make_shared<const Description>(std::move(made)));
  });
}

void save(const BoundModel& bound, nb::handle path, const std::string& format) {
  if (format != "spinney" && format != "treelite")
    fail(invalid_argument("format is '" + format + "'; models are saved as spinney or treelite"));
  const std::string name = path_of(path);
  Status status;
  {
    const Unlocked released;
    status = bound.model.save(
        name, format == "treelite" ? load::Format::kTreelite : load::Format::kSpinney);
  }
  if (!status.ok()) fail(status.error());
}

nb::bytes to_bytes(const BoundModel& bound) {
  const auto bytes = bound.model.to_bytes();
  if (!bytes.ok()) fail(bytes.error());
  return nb::bytes(bytes->data(), bytes->size());
}

// Pickles hold the bytes of a .spinney file: data only.
nb::tuple reduce(const BoundModel& bound) {
  const nb::object make = nb::module_::import_("spinney.loading").attr("from_saved");
  return nb::make_tuple(make, nb::make_tuple(to_bytes(bound)));
}

}  // namespace

NB_MODULE(_core, m) {
  if (!import_numpy()) throw nb::python_error();
  // A daemon thread that still predicts when the interpreter ends keeps its model, which is no
  // leak.
  nb::set_leak_warnings(false);
  m.attr("__version__") = SPINNEY_VERSION;
  PyType_Slot slots[] = {{Py_tp_methods, kPredictMethods}, {0, nullptr}};
  nb::class_<BoundModel>(m, "Model", nb::type_slots(slots),
                         "An immutable model; any number of threads may use it at once. "
                         "spinney.load makes one.")
      .def_static("load", &load_file, "path"_a, "format"_a = nb::none(), nb::kw_only(),
                  "as_booster"_a = false, "iteration_range"_a = nb::none(),
                  "start_iteration"_a = nb::none(), "num_iteration"_a = nb::none(),
                  "ntree_start"_a = nb::none(), "ntree_end"_a = nb::none(), "member"_a = "",
                  "copy"_a = true,
                  "The model in a file. format: json, ubj, binary, text, cbm, pickle, joblib, "
                  "skops or spinney; None "
                  "tells by the content. copy=False maps a .spinney file instead of copying it: "
                  "processes share the pages of its leaf values, and nobody may truncate it. The "
                  "other keywords are spinney.load's.")
      .def_static("from_bytes", &from_bytes, "data"_a, "format"_a = nb::none(), nb::kw_only(),
                  "name"_a = "model", "source_format"_a = nb::none(), "as_booster"_a = false,
                  "iteration_range"_a = nb::none(), "start_iteration"_a = nb::none(),
                  "num_iteration"_a = nb::none(), "ntree_start"_a = nb::none(),
                  "ntree_end"_a = nb::none(), "member"_a = "",
                  "The model in the bytes of a file. name stands in error messages; "
                  "source_format replaces the format that info() reports. The other keywords are "
                  "spinney.load's.")
      .def_prop_ro(
          "n_features", [](const BoundModel& b) { return b.model.n_features(); },
          "Columns that rows must have.")
      .def_prop_ro(
          "n_outputs", [](const BoundModel& b) { return b.model.n_outputs(); },
          "Raw scores per row.")
      .def_prop_ro(
          "n_trees", [](const BoundModel& b) { return b.model.description().n_trees(); },
          "Trees, over all members of an ensemble; 0 for linear models.")
      .def_prop_ro("feature_names", &feature_names,
                   "Names of the features, in order; empty if the model keeps none.")
      .def_prop_ro("columns", &columns,
                   "What each column of the rows is, a dict for each: its name (None: by position "
                   "alone) and kind (number, text or boolean); of models that say so what a "
                   "missing value and a text that the training did not see are (allowed or "
                   "refused), and of texts the values told apart.")
      .def_prop_ro("categories", &categories,
                   "Feature number -> its categories in training, in the order of their codes.")
      .def_prop_ro("classes_", &classes,
                   "The labels as the estimator keeps them: a read-only array, or one per target.")
      .def_prop_ro(
          "objective",
          [](const BoundModel& b) { return text(b.model.description().output.objective); },
          "The training library's own name of the objective.")
      .def_prop_ro("source", &source, "Where the model comes from: library, version, kind, format.")
      .def_prop_ro("_hashed_columns",
                   [](const BoundModel& b) {
                     nb::list columns;
                     if (const auto& tables = b.model.description().category_tables)
                       for (const uint32_t column : tables->categories) columns.append(column);
                     return columns;
                   })
      .def_prop_ro("_codes_cells",
                   [](const BoundModel& b) { return b.takes_cells || b.columns->coder; })
      .def_prop_ro("_has_schema", [](const BoundModel& b) { return b.columns->coder != nullptr; })
      .def_prop_ro("_has_texts",
                   [](const BoundModel& b) {
                     const SchemaPtr& schema = b.model.schema();
                     return schema && schema->has_texts();
                   })
      .def_prop_ro("_plain_columns",
                   [](const BoundModel& b) {
                     nb::set plain;  // of numbers, which may be missing
                     if (const SchemaPtr& schema = b.model.schema())
                       for (size_t c = 0; c < schema->columns.size(); ++c)
                         if (schema->columns[c].kind == ColumnKind::kNumber &&
                             schema->columns[c].missing_allowed)
                           plain.add(c);
                     return plain;
                   })
      .def(
          "_placed_rows",
          [](const BoundModel& b, const nb::object& rows) {
            PyObject* const made = placed_rows(*b.columns, rows.ptr());
            if (!made && PyErr_Occurred()) throw nb::python_error();
            return made ? nb::steal(made) : nb::none();
          },
          "rows"_a)
      .def(
          "_named_rows",
          [](const BoundModel& b, const nb::object& rows) {
            PyObject* const made = named_rows(*b.columns, rows.ptr());
            if (!made && PyErr_Occurred()) throw nb::python_error();
            return made ? nb::steal(made) : nb::none();
          },
          "rows"_a)
      .def(
          "_code_column",
          [](const BoundModel& b, size_t column, const nb::list& cells) {
            if (!b.columns->coder) throw nb::type_error("this model has no schema");
            PyObject* const made = code_column(*b.columns->coder, column, cells.ptr());
            if (!made) throw nb::python_error();
            return nb::steal(made);
          },
          "column"_a, "cells"_a)
      .def_prop_ro("_number_coded",
                   [](const BoundModel& b) {
                     nb::set features;
                     for (const NumberCodes& codes : b.model.description().number_codes)
                       features.add(codes.feature);
                     return features;
                   })
      .def_prop_ro("_categories_by_position",
                   [](const BoundModel& b) { return b.model.description().categories_by_position; })
      .def_prop_ro("_cast_type",
                   [](const BoundModel& b) {
                     return b.cast_type == NumberType::kFloat32 ? "float32" : "float64";
                   })
      .def_prop_ro("_small_cast_type",
                   [](const BoundModel& b) {
                     return b.small_cast_type == NumberType::kFloat32 ? "float32" : "float64";
                   })
      .def_prop_ro("_reads_cells",
                   [](const BoundModel& b) { return reads_cells(b.model.description()); })
      .def_prop_ro("_sums_stored_entries",
                   [](const BoundModel& b) { return b.model.description().sums_stored_entries(); })
      .def("save", &save, "path"_a, nb::kw_only(), "format"_a = "spinney",
           "Writes one .spinney file, by way of a temporary name beside it: a process that has "
           "loaded or mapped the file that was there keeps it.\n\n"
           "format: 'spinney', or 'treelite' for a checkpoint that Treelite 4 reads, whose raw "
           "scores\nare the model's own. Raises UnsupportedModelError, which names what a "
           "checkpoint cannot\nexpress.")
      .def("info", &info, "Everything known of the model, as a dict.")
      .def("__repr__", [](const BoundModel& b) { return text(repr(b)); })
      .def("to_bytes", &to_bytes, "The bytes of a .spinney file, which from_bytes takes.")
      .def("_with_missing", &with_missing, "missing"_a)
      .def("_with_schema", &with_schema, "columns"_a)
      .def("__reduce__", &reduce)
      .def("__copy__", [](nb::object self) { return self; })
      .def("__deepcopy__", [](nb::object self, nb::handle) { return self; });
  define_split_values(m);
  m.def(
      "_hash_column",
      [](nb::list cells) {
        PyObject* const hashes = hashed_column(cells.ptr());
        if (!hashes) throw nb::python_error();
        return nb::steal(hashes);
      },
      "cells"_a, "The hashes that CatBoost knows categories by, as float64.");
  m.def(
      "_hash_rows",
      [](const BoundModel& bound, nb::object rows) {
        PyObject* const made = hashed_rows(bound, rows.ptr());
        if (!made && PyErr_Occurred()) throw nb::python_error();
        return made ? nb::steal(made) : nb::none();
      },
      "model"_a, "rows"_a,
      "Rows of cells as float64, categories as their hashes; None if they are none.");
  define_cache(m);
  define_pool(m);
  define_rank_key(m);
  define_metrics(m);
  define_outcomes(m);
  define_threads(m);
  define_prepare(m);
  define_futures(m);
  define_open_futures(m);
  define_engine(m);
  define_batch_lane(m);
  define_quantize(m);
  define_result_memory(m);
  define_quantize_model(m);
  define_combine(m);
  define_server(m);
}

}  // namespace spinney::binding
