// StackingClassifier and StackingRegressor: a model of other models' answers.
#include <algorithm>

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/load/sklearn/wrappers.h"

namespace spinney::load {
namespace {

Status take_labels(const Record& record, Output& output) {
  const Value* classes = optional_attribute(record, "classes_");
  if (!classes) return corrupt(place(record, "classes_") + " is absent");
  if (output.labels.size() != 1)
    return unsupported(record.full_name() + " of several targets has no native path");
  // The final estimator was trained on the numbers of the classes.
  SPINNEY_ASSIGN(Labels labels, to_labels(*classes, place(record, "classes_")));
  const auto* numbers = std::get_if<std::vector<int64_t>>(&output.labels[0].values);
  if (!numbers || numbers->size() > labels.size())
    return corrupt(record.full_name() + ": the final estimator predicts other classes");
  for (size_t c = 0; c < numbers->size(); ++c)
    if ((*numbers)[c] != static_cast<int64_t>(c))
      return unsupported(record.full_name() + ": the final estimator was not trained on all of " +
                         "the classes");
  if (numbers->size() != labels.size())
    return unsupported(record.full_name() + ": the final estimator knows " +
                       std::to_string(numbers->size()) + " classes of " +
                       std::to_string(labels.size()));
  output.labels[0] = std::move(labels);
  return {};
}

Result<uint32_t> add_first_layer(const Record& record, const std::vector<ModelPtr>& models,
                                 GraphBuilder& builder) {
  SPINNEY_ASSIGN(const Value* const named, attribute(record, "stack_method_"));
  SPINNEY_ASSIGN(const std::vector<std::string> methods,
                 to_texts(*named, place(record, "stack_method_")));
  if (methods.size() != models.size())
    return corrupt(place(record, "stack_method_") + " has " + std::to_string(methods.size()) +
                   " entries for " + std::to_string(models.size()) + " estimators");
  JoinNode join;
  for (size_t m = 0; m < models.size(); ++m) {
    const auto added = add_method(methods[m], 0, models[m], builder);
    if (!added.ok())
      return Error{added.error().code, record.full_name() + ", estimators_[" + std::to_string(m) +
                                           "]: " + added.error().message};
    join.from.push_back(*added);
  }
  const Value* passthrough = optional_attribute(record, "passthrough");
  if (passthrough && passthrough->integer().value_or(0) != 0) join.from.push_back(0);
  return builder.add(std::move(join));
}

}  // namespace

Result<DescriptionParts> describe_sklearn_stacking(const Record& record, DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_TRY(read_sklearn_source(record, description));
  SPINNEY_ASSIGN(const std::vector<ModelPtr> models, read_models(record, "estimators_", context));
  const uint32_t n_features = models[0]->n_features();
  SPINNEY_TRY(read_feature_names(record, n_features, description));
  SPINNEY_ASSIGN(const Value* const last, attribute(record, "final_estimator_"));
  SPINNEY_ASSIGN(const ModelPtr final_model,
                 read_model(*last, context, place(record, "final_estimator_")));
  GraphBuilder builder;
  SPINNEY_TRY(builder.add(InputNode{n_features}));
  SPINNEY_ASSIGN(const uint32_t layer, add_first_layer(record, models, builder));
  SPINNEY_TRY(answer_by(final_model, layer, std::move(builder), description));
  if (is_classifier(*final_model)) SPINNEY_TRY(take_labels(record, description.output));
  return description;
}

}  // namespace spinney::load
