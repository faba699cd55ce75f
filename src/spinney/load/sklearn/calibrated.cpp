// CalibratedClassifierCV: the mean of classifiers whose scores were made probabilities.
#include <algorithm>

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/members.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/load/sklearn/wrappers.h"

namespace spinney::load {
namespace {

// Before 1.2 the estimator had another name.
Result<const Value*> estimator_of(const Record& record) {
  if (const Value* value = optional_attribute(record, "estimator")) return value;
  return attribute(record, "base_estimator");
}

NumberType type_of(const Record& record, std::string_view name) {
  const Value* value = record.find(name);
  const NdArray* array = value ? value->array() : nullptr;
  return array && array->dtype.text == "<f4" ? NumberType::kFloat32 : NumberType::kFloat64;
}

Result<CalibrationCurve> read_curve(const Record& record, Calibration calibration) {
  CalibrationCurve curve;
  if (calibration == Calibration::kSigmoid) {
    SPINNEY_ASSIGN(curve.a, number_attribute(record, "a_"));
    SPINNEY_ASSIGN(curve.b, number_attribute(record, "b_"));
    return curve;
  }
  if (calibration != Calibration::kIsotonic) {
    SPINNEY_ASSIGN(curve.a, number_attribute(record, "beta_"));
    curve.arithmetic = type_of(record, "beta_");
    return curve;
  }
  curve.arithmetic = type_of(record, "X_thresholds_");
  SPINNEY_ASSIGN(const Value* const x, attribute(record, "X_thresholds_"));
  SPINNEY_ASSIGN(const Value* const y, attribute(record, "y_thresholds_"));
  SPINNEY_ASSIGN(curve.x, to_doubles(*x, place(record, "X_thresholds_")));
  SPINNEY_ASSIGN(curve.y, to_doubles(*y, place(record, "y_thresholds_")));
  return curve;
}

Result<Calibration> read_method(const Record& record) {
  SPINNEY_ASSIGN(const std::string method, text_attribute(record, "method"));
  if (method == "sigmoid") return Calibration::kSigmoid;
  if (method == "isotonic") return Calibration::kIsotonic;
  if (method == "temperature") return Calibration::kTemperature;
  return unsupported(place(record, "method") + " is " + method +
                     "; sigmoid, isotonic and temperature have a native path");
}

// places: the ensemble's class of each of the member's; empty: the same numbers.
Result<CalibrateNode> read_calibration(const Record& record, const Member& member,
                                       uint32_t n_classes, bool has_decision, size_t columns) {
  CalibrateNode node;
  node.n_classes = n_classes;
  SPINNEY_ASSIGN(node.calibration, read_method(record));
  SPINNEY_ASSIGN(const List* const calibrators, list_attribute(record, "calibrators"));
  const bool together = node.calibration == Calibration::kTemperature;
  if (together && !has_decision) node.calibration = Calibration::kLogTemperature;
  const size_t wanted = together ? 1 : columns;
  if (calibrators->size() < wanted)
    return corrupt(place(record, "calibrators") + " holds " + std::to_string(calibrators->size()) +
                   " for " + std::to_string(columns) + " scores");
  for (size_t c = 0; c < wanted; ++c) {
    const Record* calibrator = (*calibrators)[c].record();
    if (!calibrator)
      return corrupt(place(record, "calibrators") + " holds " + (*calibrators)[c].what());
    SPINNEY_ASSIGN(CalibrationCurve curve, read_curve(*calibrator, node.calibration));
    const size_t own = member.classes.empty() ? c : member.classes[c];
    curve.place = n_classes == 2 ? 1 : static_cast<uint32_t>(own);
    node.curves.push_back(std::move(curve));
  }
  return node;
}

Result<uint32_t> add_calibrated(const Record& record, const Member& member, uint32_t n_classes,
                                GraphBuilder& builder) {
  SPINNEY_ASSIGN(const bool has_decision, has_decision_function(*member.model));
  SPINNEY_ASSIGN(
      const uint32_t scores,
      add_method(has_decision ? "decision_function" : "predict_proba", 0, member.model, builder));
  SPINNEY_ASSIGN(CalibrateNode node, read_calibration(record, member, n_classes, has_decision,
                                                      builder.shape(scores).columns));
  node.from = scores;
  return builder.add(std::move(node));
}

// The estimators of calibrated_classifiers_, their classes placed among the labels.
Result<std::vector<Member>> read_calibrated(const std::vector<const Record*>& records,
                                            const Labels& labels, DescribeContext& context) {
  std::vector<Member> members;
  for (const Record* record : records) {
    SPINNEY_ASSIGN(const Value* const estimator, estimator_of(*record));
    SPINNEY_ASSIGN(ModelPtr model, read_model(*estimator, context, record->full_name()));
    members.push_back({std::move(model), {}, {}, 1});
  }
  // By temperature the classes stay where they are, and have other names within.
  SPINNEY_ASSIGN(const Calibration calibration, read_method(*records[0]));
  if (calibration == Calibration::kTemperature) return members;
  SPINNEY_TRY(place_classes(members, &labels, labels.size()));
  return members;
}

}  // namespace

Result<DescriptionParts> describe_sklearn_calibrated(const Record& record,
                                                     DescribeContext& context) {
  DescriptionParts description;
  SPINNEY_TRY(read_sklearn_source(record, description));
  SPINNEY_ASSIGN(const List* const classifiers, list_attribute(record, "calibrated_classifiers_"));
  std::vector<const Record*> records;
  for (const Value& value : *classifiers) {
    if (!value.record())
      return corrupt(place(record, "calibrated_classifiers_") + " holds " + value.what());
    records.push_back(value.record());
  }
  if (records.empty()) return corrupt(place(record, "calibrated_classifiers_") + " is empty");
  Output& output = description.output;
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  output.labels.emplace_back();
  SPINNEY_ASSIGN(output.labels[0], to_labels(*classes, place(record, "classes_")));
  const auto n_classes = static_cast<uint32_t>(output.labels[0].size());
  SPINNEY_ASSIGN(const std::vector<Member> members,
                 read_calibrated(records, output.labels[0], context));
  const uint32_t n_features = members[0].model->n_features();
  SPINNEY_TRY(read_feature_names(record, n_features, description));
  output.task = n_classes <= 2 ? Task::kBinary : Task::kMulticlass;
  output.objective = "calibrated";
  output.decision = Decision::kArgmax;
  output.value_type = NumberType::kFloat64;
  output.has_probabilities = true;
  GraphBuilder builder;
  SPINNEY_TRY(builder.add(InputNode{n_features}));
  CombineNode mean{Combination::kMeanProbability,
                   NumberType::kFloat64,
                   n_classes,
                   static_cast<double>(members.size()),
                   {}};
  for (size_t m = 0; m < members.size(); ++m) {
    const auto added = add_calibrated(*records[m], members[m], n_classes, builder);
    if (!added.ok())
      return Error{added.error().code, record.full_name() + ", calibrated_classifiers_[" +
                                           std::to_string(m) + "]: " + added.error().message};
    mean.parts.push_back({*added, {}, 1});
  }
  SPINNEY_ASSIGN(const uint32_t scores, builder.add(std::move(mean)));
  SPINNEY_ASSIGN(description.scorer, std::move(builder).finish({scores}));
  return description;
}

}  // namespace spinney::load
