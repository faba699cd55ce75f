// Pipeline of scikit-learn and imbalanced-learn: steps that choose columns before a native model.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/load/sklearn/wrappers.h"
#include "spinney/model/schema.h"

namespace spinney::load {
namespace {

using Columns = std::vector<uint32_t>;

// The input's columns that the next step is given.
struct Chosen {
  const Record* first = nullptr;  // the first step that chooses: it knows the input's names
  uint32_t n_features = 0;        // of the input
  Columns columns;
  bool refuses_missing = false;  // a step looks at every number, and refuses NaN and infinities
};

struct Step {
  std::string where;  // "sklearn.pipeline.Pipeline → scale"
  const Value* estimator = nullptr;
};

// A name as it stands in messages, cut where it is very long.
std::string shown(std::string_view name) {
  const std::string text = quoted(name);
  return text.substr(1, text.size() - 2);
}

Result<std::vector<Step>> read_steps(const Record& pipeline, const std::string& where) {
  SPINNEY_ASSIGN(const List* const list, list_attribute(pipeline, "steps"));
  if (list->empty()) return corrupt(where + " has no steps");
  constexpr size_t kNameBytes = 80;  // of what is shown of a step's name
  SPINNEY_TRY(
      spend(place(pipeline, "steps"), list->size(), sizeof(Step) + where.size() + kNameBytes));
  std::vector<Step> steps;
  for (const Value& step : *list) {
    const List* pair = step.list();
    if (!pair || pair->size() != 2 || !(*pair)[0].string())
      return corrupt(place(pipeline, "steps") + ": element " + std::to_string(steps.size()) +
                     " is no pair of a name and an estimator");
    steps.push_back({where + " → " + shown(*(*pair)[0].string()), &(*pair)[1]});
  }
  return steps;
}

bool passes_through(const Value& step) {
  if (step.is_none() || step.string() == "passthrough") return true;
  const Record* record = step.record();
  if (!record || record->package() != "imblearn") return false;
  return record->module.starts_with("imblearn.over_sampling") ||
         record->module.starts_with("imblearn.under_sampling") ||
         record->module.starts_with("imblearn.combine");  // samplers: they change what is fitted
}

Error no_native_step(const Step& step) {
  const Record* record = step.estimator->record();
  const std::string name = record ? record->full_name() : step.estimator->what();
  return unsupported(
      step.where + " → " + name +
      " has no native path. Instead, save its final step, `pipeline[-1]`, and transform rows with "
      "`pipeline[:-1]`. Or have a Python worker process run it as it is; spinney.load does that if "
      "it is told what may be unpickled: allowed_classes=['" +
      name + "', …], or trusted=True.");
}

Result<std::vector<bool>> stored_mask(const Record& selector) {
  SPINNEY_ASSIGN(const Value* const support, attribute(selector, "support_"));
  SPINNEY_ASSIGN(const std::vector<int64_t> flags,
                 to_integers(*support, place(selector, "support_")));
  std::vector<bool> mask;
  for (const int64_t flag : flags) mask.push_back(flag != 0);
  return mask;
}

Result<std::vector<double>> numbers_attribute(const Record& record, std::string_view name) {
  SPINNEY_ASSIGN(const Value* const value, attribute(record, name));
  return to_doubles(*value, place(record, name));
}

// The k highest scores; of equal ones those further right, and NaN lowest, as numpy sorts them.
Result<std::vector<bool>> best_mask(const Record& selector) {
  SPINNEY_ASSIGN(std::vector<double> scores, numbers_attribute(selector, "scores_"));
  SPINNEY_ASSIGN(const Value* const k, attribute(selector, "k"));
  if (k->string() == "all") return std::vector<bool>(scores.size(), true);
  SPINNEY_ASSIGN(const uint32_t count, count_attribute(selector, "k"));
  for (double& score : scores)
    if (std::isnan(score)) score = std::numeric_limits<double>::lowest();
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  std::vector<bool> mask(scores.size(), false);
  for (size_t i = order.size() - std::min<size_t>(count, order.size()); i < order.size(); ++i)
    mask[order[i]] = true;
  return mask;
}

Result<std::vector<bool>> variance_mask(const Record& selector) {
  SPINNEY_ASSIGN(const std::vector<double> variances, numbers_attribute(selector, "variances_"));
  SPINNEY_ASSIGN(const double threshold, number_attribute(selector, "threshold"));
  std::vector<bool> mask;
  for (const double variance : variances) mask.push_back(variance > threshold);
  return mask;
}

// Which columns the selector keeps.
Result<std::vector<bool>> read_mask(const Step& step) {
  const Record* record = step.estimator->record();
  if (record && record->package() == "sklearn") {
    if (record->name == "VarianceThreshold") return variance_mask(*record);
    if (record->name == "SelectKBest") return best_mask(*record);
    if (record->name == "RFE" || record->name == "RFECV" ||
        record->name == "SequentialFeatureSelector")
      return stored_mask(*record);
  }
  return no_native_step(step);
}

bool is_pipeline(const Value& value) {
  const Record* record = value.record();
  return record && record->name == "Pipeline" &&
         (record->package() == "sklearn" || record->package() == "imblearn");
}

// Whether scikit-learn says of the estimator that it allows NaN.
bool allows_missing(const Record& estimator) {
  const std::string_view name = estimator.name;
  if (estimator.package() == "xgboost" || estimator.package() == "lightgbm") return true;
  if (name.starts_with("HistGradientBoosting")) return true;
  const Value* splitter = estimator.find("splitter");
  const bool random = splitter && splitter->string() == "random";
  if (name.starts_with("DecisionTree")) return !written_before(estimator, 1, random ? 6 : 3);
  if (name == "ExtraTreeClassifier" || name == "ExtraTreeRegressor")
    return random && !written_before(estimator, 1, 6);
  if (name.starts_with("RandomForest")) return !written_before(estimator, 1, 4);
  return name.starts_with("ExtraTrees") && !written_before(estimator, 1, 6);
}

// Whether the selector looks at the rows' numbers, and refuses NaN and infinities among them.
bool refuses_missing(const Record& selector) {
  if (selector.name == "VarianceThreshold") return false;
  const Value* value = optional_attribute(selector, "estimator");
  const Record* estimator = value ? value->record() : nullptr;
  return !estimator || !allows_missing(*estimator);
}

Status choose(const Step& step, Chosen& chosen) {
  SPINNEY_ASSIGN(const std::vector<bool> mask, read_mask(step));
  const Record& record = *step.estimator->record();
  SPINNEY_ASSIGN(const uint32_t n_features, count_attribute(record, "n_features_in_"));
  if (!chosen.first) {
    SPINNEY_TRY(spend(place(record, "n_features_in_"), n_features, sizeof(uint32_t)));
    if (mask.size() == n_features) {
      chosen.columns.resize(n_features);
      std::iota(chosen.columns.begin(), chosen.columns.end(), 0u);
    }
    chosen.first = &record;
    chosen.n_features = n_features;
  }
  if (mask.size() != n_features || n_features != chosen.columns.size())
    return corrupt(step.where + " chooses among " + std::to_string(mask.size()) +
                   " columns, says " + std::to_string(n_features) + " and is given " +
                   std::to_string(chosen.columns.size()));
  chosen.refuses_missing = chosen.refuses_missing || refuses_missing(record);
  Columns kept;
  for (size_t c = 0; c < mask.size(); ++c)
    if (mask[c]) kept.push_back(chosen.columns[c]);
  if (kept.empty()) return corrupt(step.where + " chooses no columns");
  chosen.columns = std::move(kept);
  return {};
}

// All steps of a pipeline that stands among another's steps.
Status choose_all(const Step& outer, unsigned depth_left, Chosen& chosen) {
  if (passes_through(*outer.estimator)) return {};
  if (!is_pipeline(*outer.estimator)) return choose(outer, chosen);
  if (depth_left == 0) return too_large(outer.where + ": steps lie within steps too deeply");
  SPINNEY_ASSIGN(const std::vector<Step> steps,
                 read_steps(*outer.estimator->record(), outer.where));
  for (const Step& step : steps) SPINNEY_TRY(choose_all(step, depth_left - 1, chosen));
  return {};
}

}  // namespace

Result<DescriptionParts> describe_sklearn_pipeline(const Record& record, DescribeContext& context) {
  SPINNEY_ASSIGN(const std::vector<Step> steps, read_steps(record, record.full_name()));
  Chosen chosen;
  for (size_t s = 0; s + 1 < steps.size(); ++s)
    SPINNEY_TRY(choose_all(steps[s], context.depth_left, chosen));
  const Step& last = steps.back();
  if (passes_through(*last.estimator)) return no_native_step(last);
  if (!chosen.first) {
    auto described = describe_estimator(*last.estimator, context);
    if (described.ok()) return described;
    return Error{described.error().code, last.where + ": " + described.error().message};
  }
  SPINNEY_ASSIGN(const ModelPtr model, read_model(*last.estimator, context, last.where));
  if (!model->categories.empty())
    return unsupported(last.where +
                       " matches the categories of frames, which it cannot behind other steps");
  DescriptionParts description;
  SPINNEY_TRY(read_sklearn_source(*chosen.first, description));
  description.source.kind = std::string(record.name);
  SPINNEY_TRY(read_feature_names(*chosen.first, chosen.n_features, description));
  description.refuses_missing = description.refuses_infinity = chosen.refuses_missing;
  GraphBuilder builder;
  SPINNEY_TRY(builder.add(InputNode{chosen.n_features}));
  SPINNEY_ASSIGN(const uint32_t from, builder.add(SelectNode{0, std::move(chosen.columns)}));
  SPINNEY_TRY(answer_by(model, from, std::move(builder), description));
  return description;
}

}  // namespace spinney::load
