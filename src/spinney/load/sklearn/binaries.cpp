#include "spinney/load/sklearn/binaries.h"

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/nodes.h"

namespace spinney::load {
namespace {

const Record* constant_in(const Value& value) {
  const Record* record = value.record();
  const bool is_one =
      record && record->package() == "sklearn" && record->name == "_ConstantPredictor";
  return is_one ? record : nullptr;
}

Result<double> read_constant(const Record& record) {
  SPINNEY_ASSIGN(const Value* const value, attribute(record, "y_"));
  SPINNEY_ASSIGN(const std::vector<double> said, to_doubles(*value, place(record, "y_")));
  if (said.size() == 1 && (said[0] == 0 || said[0] == 1 || said[0] == -1)) return said[0];
  return corrupt(place(record, "y_") + " is not one of -1, 0 and 1");
}

// A class that is the same for all rows, and its name.
Result<uint32_t> add_constant(double constant, GraphBuilder& builder) {
  ThresholdNode same;
  same.reached = same.below = 0;
  same.n_classes = 1;
  SPINNEY_ASSIGN(const uint32_t says, builder.add(same));
  return builder.add(LabelNode{says, {constant}});
}

}  // namespace

Error of_estimator(const Record& record, size_t m, const Error& error) {
  return Error{error.code,
               record.full_name() + ", estimators_[" + std::to_string(m) + "]: " + error.message};
}

Result<BinaryScore> Binaries::add_score(const Record& record, size_t m,
                                        GraphBuilder& builder) const {
  if (models[m]) {
    auto score = add_binary_score(models[m], builder);
    return score.ok() ? score : of_estimator(record, m, score.error());
  }
  BinaryScore score;
  score.threshold = 0.5;  // scikit-learn does not take it for a classifier
  SPINNEY_ASSIGN(score.node, add_constant(constants[m], builder));
  return score;
}

Result<Binaries> read_binaries(const Record& record, DescribeContext& context,
                               DescriptionParts& description) {
  SPINNEY_TRY(read_sklearn_source(record, description));
  SPINNEY_ASSIGN(const List* const estimators, list_attribute(record, "estimators_"));
  if (estimators->empty()) return corrupt(place(record, "estimators_") + " is empty");
  Binaries binaries;
  const ModelPtr* first = nullptr;
  for (size_t m = 0; m < estimators->size(); ++m) {
    const Value& value = (*estimators)[m];
    binaries.constants.push_back(0);
    if (const Record* constant = constant_in(value)) {
      SPINNEY_ASSIGN(binaries.constants.back(), read_constant(*constant));
      binaries.models.emplace_back();
      continue;
    }
    SPINNEY_ASSIGN(
        ModelPtr model,
        read_model(value, context, place(record, "estimators_") + "[" + std::to_string(m) + "]"));
    binaries.models.push_back(std::move(model));
  }
  for (const ModelPtr& model : binaries.models)
    if (model && !first) first = &model;
  if (!first)
    return unsupported(record.full_name() + " holds constants alone, which has no native path");
  binaries.n_features = (*first)->n_features();
  SPINNEY_TRY(read_feature_names(record, binaries.n_features, description));
  return binaries;
}

}  // namespace spinney::load
