// LightGBM's Booster and its scikit-learn wrappers, out of pickles.
#include <string>
#include <string_view>

#include "spinney/load/file/budget.h"
#include "spinney/load/lightgbm/lightgbm.h"
#include "spinney/load/lightgbm/text.h"
#include "spinney/load/pickle/attributes.h"

namespace spinney::load {
namespace {

constexpr size_t kBytesPerTextByte = 4;  // what a model takes, with what reading it does

Error prefixed(const Record& record, const Error& error) {
  return {error.code, record.full_name() + ": " + error.message};
}

// An objective that is no string was the user's own function: LightGBM then gives raw scores.
bool has_own_objective(const Record& record) {
  const Value* objective = optional_attribute(record, "_objective");
  return objective && !objective->string();
}

// LGBMClassifier gives labels by the largest of its probabilities; with one score p of two classes
// these are [1 - p, p], whatever the objective.
Status make_classifier(const Record& record, DescriptionParts& model) {
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "_classes"));
  SPINNEY_ASSIGN(Labels labels, to_labels(*classes, place(record, "_classes")));
  const size_t columns = model.n_outputs() == 1 ? 2 : model.n_outputs();
  if (labels.size() == 1 && columns == 2) name_second_class(labels);
  if (labels.size() != columns)
    return corrupt(place(record, "_classes") + " holds " + std::to_string(labels.size()) +
                   " classes, but the trees score " + std::to_string(columns));
  model.output.task = columns == 2 ? Task::kBinary : Task::kMulticlass;
  model.output.labels = {std::move(labels)};
  model.output.decision = Decision::kArgmax;
  model.output.has_probabilities = true;
  return {};
}

// Extra keywords of the constructor reach predict(); this one changes its answers.
Status check_early_stop(const Record& record) {
  const Value* flag = optional_attribute(record, "pred_early_stop");
  if (!flag || flag->integer() == 0) return {};
  return unsupported(record.full_name() +
                     " was made with pred_early_stop, which leaves out trees at predict time; "
                     "set pred_early_stop=False and save it again");
}

}  // namespace

Result<DescriptionParts> describe_lightgbm_booster(const Record& record, DescribeContext& context) {
  const Value* handle = optional_attribute(record, "_handle");  // LightGBM 4
  if (!handle) handle = optional_attribute(record, "handle");   // LightGBM 3
  if (!handle || !handle->string())
    return corrupt(place(record, "_handle") + " does not hold the model's text");
  const std::string_view text = *handle->string();
  SPINNEY_TRY(spend(place(record, "_handle"), text.size(), kBytesPerTextByte));
  int64_t best_iteration = 0;
  if (optional_attribute(record, "best_iteration")) {
    SPINNEY_ASSIGN(best_iteration, integer_attribute(record, "best_iteration"));
  }
  auto model = lightgbm::read_text(text, best_iteration, context.choice);
  if (!model.ok()) return prefixed(record, model.error());
  model->source.format.clear();  // pickle or joblib: whoever opened the file knows
  return model;
}

Result<DescriptionParts> describe_lightgbm_wrapper(const Record& record, DescribeContext& context) {
  if (!optional_attribute(record, "_Booster"))
    return unsupported(record.full_name() + " is not fitted yet");
  if (!context.choice.as_booster) SPINNEY_TRY(check_early_stop(record));
  SPINNEY_ASSIGN(const Record* const booster, record_attribute(record, "_Booster"));
  SPINNEY_ASSIGN(DescriptionParts model, describe_lightgbm_booster(*booster, context));
  if (context.choice.as_booster) return model;
  model.source.kind = record.name;
  model.output.labels.clear();
  model.output.has_probabilities = false;
  if (record.name == "LGBMClassifier" && !has_own_objective(record))
    SPINNEY_TRY(make_classifier(record, model));
  return model;
}

}  // namespace spinney::load
