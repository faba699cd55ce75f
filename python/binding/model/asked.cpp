#include "binding/model/asked.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/interpreter/numpy_api.h"
#include "spinney/base/checked_size.h"
#include "spinney/load/choice.h"
#include "spinney/model/variant.h"

namespace spinney::binding {
namespace {

using load::Choice;
using Shared = std::shared_ptr<const BoundModel>;

struct Window {
  size_t begin = 0, end = 0;  // iterations
};

bool whole(PyObject* object, const char* name, std::optional<int64_t>& out) {
  if (!object) return true;
  const Owned index(PyNumber_Index(object));
  int overflow = 0;
  const int64_t value = index ? PyLong_AsLongLongAndOverflow(index.get(), &overflow) : 0;
  if (!index || overflow || value < INT32_MIN || value > INT32_MAX) {
    PyErr_Clear();
    raise(invalid_argument(std::string(name) + " is no whole number of at most 2147483647"));
    return false;
  }
  out = value;
  return true;
}

bool read_choice(const Asked& asked, Choice& choice) {
  if (asked.iteration_range) {
    const Owned pair(PySequence_Tuple(asked.iteration_range));
    std::optional<int64_t> first, behind;
    if (!pair || PyTuple_GET_SIZE(pair.get()) != 2) {
      PyErr_Clear();
      raise(invalid_argument("iteration_range is no pair; expected two whole numbers"));
      return false;
    }
    if (!whole(PyTuple_GET_ITEM(pair.get(), 0), "iteration_range", first) ||
        !whole(PyTuple_GET_ITEM(pair.get(), 1), "iteration_range", behind))
      return false;
    choice.iteration_range = {*first, *behind};
  }
  return whole(asked.start_iteration, "start_iteration", choice.start_iteration) &&
         whole(asked.num_iteration, "num_iteration", choice.num_iteration) &&
         whole(asked.ntree_start, "ntree_start", choice.ntree_start) &&
         whole(asked.ntree_end, "ntree_end", choice.ntree_end);
}

// Trees as CatBoost's predict() chooses them: of all in the file, none of which may be missing.
Result<Window> trees_of(const Choice& choice, size_t all) {
  const int64_t first = choice.ntree_start.value_or(0);
  int64_t behind = choice.ntree_end.value_or(0);
  if (behind == 0) behind = static_cast<int64_t>(all);
  if (first < 0 || first >= behind || behind > static_cast<int64_t>(all))
    return invalid_argument(load::choice_rule(choice) + ", but the model has " +
                            std::to_string(all) + " trees");
  return Window{static_cast<size_t>(first), static_cast<size_t>(behind)};
}

// The iterations meant, of `used` that the model has and `all` that its file has.
Result<Window> window_of(const Choice& choice, const Window& used, size_t all) {
  if (choice.ntree_start || choice.ntree_end) return trees_of(choice, all);
  Window asked;
  if (choice.iteration_range) {
    asked.begin = static_cast<size_t>(choice.iteration_range->first);
    const auto behind = static_cast<size_t>(choice.iteration_range->second);
    asked.end = behind ? behind : used.end;
    if (asked.end > all || asked.begin > asked.end)
      return invalid_argument(load::choice_rule(choice) + ", but the model has " +
                              std::to_string(all) + " iterations");
    return asked;
  }
  asked.begin =
      std::min(static_cast<size_t>(std::max<int64_t>(choice.start_iteration.value_or(0), 0)), all);
  if (!choice.num_iteration && asked.begin == 0) return used;
  const int64_t wanted = choice.num_iteration.value_or(-1);
  asked.end = all;
  if (wanted > 0 && static_cast<uint64_t>(wanted) < all - asked.begin)
    asked.end = asked.begin + static_cast<size_t>(wanted);
  return asked;
}

Result<Description> chosen(const Description& model, const Choice& choice) {
  const std::string& library = model.source.library;
  if (library == "xgboost") {
    SPINNEY_TRY(load::check_xgboost_choice(choice));
  } else if (library == "lightgbm") {
    SPINNEY_TRY(load::check_lightgbm_choice(choice));
  } else if (library == "catboost") {
    SPINNEY_TRY(load::check_catboost_choice(choice));
  } else {
    SPINNEY_TRY(load::refuse_choice(choice, model.source.kind));
  }
  const TreesUsed& trees = model.trees;
  const std::string rule = load::choice_rule(choice);
  if (trees.per_iteration == 0)
    return unsupported(rule +
                       ": this model does not say where its iterations begin, as a .spinney "
                       "file and gblinear do not; load the training library's file with " +
                       rule);
  const size_t per = trees.per_iteration;
  const Window used{trees.first / per, (trees.first + model.n_trees()) / per};
  SPINNEY_ASSIGN(const Window asked, window_of(choice, used, trees.in_file / per));
  if (asked.begin != asked.end && (asked.begin < used.begin || asked.end > used.end))
    return invalid_argument(rule + ": the model was loaded with " +
                            (trees.rule.empty() ? "all iterations" : trees.rule) +
                            " and keeps no others; load it with " + rule);
  const size_t first = asked.begin == asked.end ? 0 : asked.begin * per - trees.first;
  return with_trees(model, first, first + (asked.end - asked.begin) * per, rule);
}

Result<Description> made(const Description& model, const Choice& choice, const double* missing) {
  if (!missing) return chosen(model, choice);
  if (model.source.library != "xgboost")
    return invalid_argument("missing is XGBoost's; " + model.source.kind + " of " +
                            model.source.library + " has no such value");
  if (!choice.any()) return with_missing_value(model, *missing);
  SPINNEY_ASSIGN(const Description part, chosen(model, choice));
  return with_missing_value(part, *missing);
}

Shared bind(const BoundModel& bound, const Choice& choice, const double* missing) {
  std::optional<Result<Model>> model;
  {
    const Unlocked released;
    auto description = made(bound.model.description(), choice, missing);
    model = description.ok() ? Model::make(std::make_shared<const Description>(*description))
                             : Result<Model>(description.error());
  }
  if (!model->ok()) {
    raise(model->error());
    return nullptr;
  }
  return BoundModel::make(std::move(**model));
}

// The model of the trees and the missing value asked for; made once.
Shared variant_of(const BoundModel& bound, const Asked& asked) {
  Choice choice;
  double missing = 0;
  if (!read_choice(asked, choice)) return nullptr;
  if (asked.missing) {
    missing = PyFloat_AsDouble(asked.missing);
    if (missing == -1 && PyErr_Occurred()) {
      if (!PyErr_ExceptionMatches(PyExc_TypeError)) return nullptr;
      PyErr_Clear();
      raise(invalid_argument("missing is of type " + std::string(Py_TYPE(asked.missing)->tp_name) +
                             "; expected a number"));
      return nullptr;
    }
  }
  std::string key = load::choice_rule(choice);
  if (asked.missing) key.append("|").append(reinterpret_cast<char*>(&missing), sizeof missing);
  if (Shared kept = bound.variants->find(key)) return kept;
  Shared variant = bind(bound, choice, asked.missing ? &missing : nullptr);
  if (variant) bound.variants->keep(key, variant);
  return variant;
}

// `object` as the numbers that rows begin with; null with a Python error set.
PyObject* start_numbers(PyObject* object, const char* name, const BoundModel& bound,
                        const Input& input) {
  const bool narrow = bound.model.description().score_type() == NumberType::kFloat32;
  Owned array(PyArray_FromAny(object, PyArray_DescrFromType(narrow ? NPY_FLOAT : NPY_DOUBLE), 0, 2,
                              NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST, nullptr));
  if (!array) return nullptr;
  auto* numbers = reinterpret_cast<PyArrayObject*>(array.get());
  const std::optional<size_t> wanted = checked_product(input.count, bound.model.n_outputs());
  if (!wanted || static_cast<size_t>(PyArray_SIZE(numbers)) != *wanted) {
    raise(invalid_argument(std::string(name) + " has " + std::to_string(PyArray_SIZE(numbers)) +
                           " values for " + std::to_string(input.count) + " rows of " +
                           std::to_string(bound.model.n_outputs()) + " scores each"));
    return nullptr;
  }
  return array.release();
}

bool fits_library(const BoundModel& bound, const char* name, const char* library,
                  const char* other) {
  const Source& source = bound.model.description().source;
  if (source.library == library) return true;
  raise(invalid_argument(std::string(name) + " goes with models of " + library + ", not with a " +
                         source.kind + " of " + source.library + other));
  return false;
}

Shared started(const Shared& variant, const BoundModel& bound, PyObject* object, bool margin,
               const Input& input, PredictOptions options, Owned& numbers) {
  const BoundModel& model = variant ? *variant : bound;
  const char* name = margin ? "base_margin" : "init_score";
  if (!fits_library(model, name, margin ? "xgboost" : "lightgbm",
                    margin ? "; LightGBM's is init_score" : "; XGBoost's is base_margin"))
    return nullptr;
  if (model.model.description().output.link.divisor != 1) {
    raise(unsupported("init_score has no meaning to a mean of trees"));
    return nullptr;
  }
  numbers.reset(start_numbers(object, name, model, input));
  if (!numbers) return nullptr;
  options.by_matrix = input.by_matrix;
  const void* data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(numbers.get()));
  auto made = model.model.started(margin ? plan::Start::kInPlaceOfBase : plan::Start::kBehindTheSum,
                                  data, options);
  if (!made.ok()) {
    raise(made.error());
    return nullptr;
  }
  return BoundModel::make(std::move(*made));
}

}  // namespace

bool Asked::take(PyObject* name, PyObject* value) {
  const std::pair<const char*, PyObject**> places[] = {
      {"iteration_range", &iteration_range}, {"start_iteration", &start_iteration},
      {"num_iteration", &num_iteration},     {"missing", &missing},
      {"base_margin", &base_margin},         {"init_score", &init_score},
      {"ntree_start", &ntree_start},         {"ntree_end", &ntree_end},
  };
  for (const auto& [known, place] : places)
    if (PyUnicode_CompareWithASCIIString(name, known) == 0) {
      *place = value == Py_None ? nullptr : value;
      return true;
    }
  return false;
}

Shared Variants::find(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  found->second.used = ++clock_;
  return found->second.model;
}

void Variants::keep(const std::string& key, Shared model) {
  if (entries_.size() >= kKept && !entries_.count(key))
    entries_.erase(std::min_element(
        entries_.begin(), entries_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  entries_[key] = {std::move(model), ++clock_};
}

Shared asked_model(const BoundModel& bound, const Asked& asked, const Input& input,
                   const PredictOptions& options, Owned& numbers) {
  Shared variant;
  if (asked.iteration_range || asked.start_iteration || asked.num_iteration || asked.missing ||
      asked.ntree_start || asked.ntree_end) {
    variant = variant_of(bound, asked);
    if (!variant) return nullptr;
  }
  PyObject* margin = asked.base_margin ? asked.base_margin : input.start;
  if (margin && asked.init_score) {
    raise(invalid_argument("base_margin is XGBoost's and init_score LightGBM's; give one of them"));
    return nullptr;
  }
  if (PyObject* start = margin ? margin : asked.init_score)
    return started(variant, bound, start, margin != nullptr, input, options, numbers);
  if (variant) return variant;
  return {std::shared_ptr<const BoundModel>(), &bound};  // every keyword was None
}

}  // namespace spinney::binding
