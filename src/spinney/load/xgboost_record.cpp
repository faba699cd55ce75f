#include "spinney/load/xgboost_record.h"

#include <cmath>
#include <string>

#include "spinney/load/attributes.h"
#include "spinney/load/budget.h"
#include "spinney/load/xgboost_document.h"
#include "spinney/load/xgboost_model.h"

namespace spinney::load {
namespace {

// The state of a Booster is what XGBoost serializes: {"Model": ..., "Config": ...} in UBJSON, or
// JSON before 1.6.
Result<Description> describe_handle(const Record& booster, xgboost::ModelOptions options) {
  SPINNEY_ASSIGN(const Value* handle, attribute(booster, "handle"));
  const auto bytes = handle->bytes();
  if (!bytes)
    return corrupt(place(booster, "handle") + " is " + handle->what() +
                   ", not the serialized model");
  SPINNEY_TRY(spend(place(booster, "handle"), bytes->size(), 1));
  const std::string_view text(bytes->data(), bytes->size());
  if (!text.starts_with('{'))
    return unsupported(
        "this pickle holds XGBoost's old binary format, which XGBoost itself dropped; load it with "
        "the XGBoost that wrote it, save_model(\"model.json\"), and load that");
  const bool is_json = text.find_first_not_of(" \t\r\n", 1) != std::string_view::npos &&
                       text[text.find_first_not_of(" \t\r\n", 1)] == '"';
  SPINNEY_ASSIGN(const xgboost::Document document,
                 is_json ? xgboost::parse_json(*bytes) : xgboost::parse_ubjson(*bytes));
  xgboost::Field root = document.root();
  if (const xgboost::Field model = root.find("Model")) root = model;
  options.bytes = bytes->size();
  return xgboost::describe_booster(root, options);
}

// The wrapper's own `missing=`, which XGBoost rounds to float32 before comparing.
Result<double> missing_of(const Record& record) {
  const Value* missing = optional_attribute(record, "missing");
  if (!missing) return std::nan("");
  const auto number = missing->number();
  if (!number)
    return corrupt(place(record, "missing") + " is " + missing->what() + ", not a number");
  return static_cast<double>(static_cast<float>(*number));
}

Labels numbers_below(int64_t n) {
  std::vector<int64_t> values(static_cast<size_t>(n));
  for (size_t k = 0; k < values.size(); ++k) values[k] = static_cast<int64_t>(k);
  Labels labels;
  labels.values = std::move(values);
  return labels;
}

// Each output is a label of its own, or not: what predict() gives are floats.
void make_multi_label(Description& model) {
  Labels labels;
  labels.values = std::vector<double>{0, 1};
  labels.dtype = "<f8";
  model.output.labels.assign(model.n_outputs(), labels);
  model.output.decision = Decision::kThreshold;
  model.output.threshold = 0.5;
}

// Before 1.6 the wrapper could keep the labels that it had numbered.
Result<Labels> class_labels(const Record& record, int64_t n_classes) {
  const Value* encoder = optional_attribute(record, "_le");
  if (!encoder || !encoder->record()) return numbers_below(n_classes);
  SPINNEY_ASSIGN(const Value* classes, attribute(*encoder->record(), "classes_"));
  SPINNEY_ASSIGN(Labels labels, to_labels(*classes, place(*encoder->record(), "classes_")));
  if (static_cast<int64_t>(labels.size()) != n_classes)
    return corrupt(place(*encoder->record(), "classes_") + " holds " +
                   std::to_string(labels.size()) + " labels of " + std::to_string(n_classes) +
                   " classes");
  return labels;
}

// What XGBClassifier.predict makes of the Booster's values; see its source for the cases.
Status make_classifier(const Record& record, Description& model) {
  SPINNEY_ASSIGN(const uint32_t n_classes, count_attribute(record, "n_classes_"));
  const size_t n_outputs = model.n_outputs();
  if (n_classes > n_outputs && n_classes > 2)
    return corrupt(place(record, "n_classes_") + " is " + std::to_string(n_classes) +
                   ", but the model has " + std::to_string(n_outputs) + " outputs");
  Output& output = model.output;
  output.has_probabilities = true;
  if (output.link.kind == LinkKind::kXgbMultiArgmax) {
    // The margins decide; probabilities are scipy's softmax of them.
    output.link.kind = LinkKind::kPairwiseSoftmax;
    output.decision = Decision::kArgmax;
    output.decision_on_raw = true;
    output.labels = {numbers_below(static_cast<int64_t>(n_outputs))};
    output.labels[0].dtype = "<i4";
    return {};
  }
  if (n_outputs > 1 && n_classes == 2) {
    SPINNEY_TRY(spend(place(record, "n_classes_"), n_outputs, sizeof(Labels) + 2 * sizeof(double)));
    make_multi_label(model);
    return {};
  }
  if (n_outputs > 1 && n_classes != n_outputs)
    return unsupported(record.full_name() + " has " + std::to_string(n_outputs) + " outputs for " +
                       std::to_string(n_classes) +
                       " classes; save its Booster instead: model.get_booster()");
  output.decision = n_outputs > 1 ? Decision::kArgmax : Decision::kThreshold;
  output.threshold = 0.5;
  SPINNEY_ASSIGN(Labels labels, class_labels(record, n_outputs > 1 ? n_classes : 2));
  output.labels = {std::move(labels)};
  return {};
}

}  // namespace

Result<Description> describe_xgboost_booster(const Record& record, DescribeContext& /*context*/) {
  return describe_handle(record, {});
}

Result<Description> describe_xgboost_wrapper(const Record& record, DescribeContext& /*context*/) {
  const Value* booster = optional_attribute(record, "_Booster");
  if (!booster || !booster->record())
    return invalid_argument(record.full_name() + " is not fitted: it has no Booster yet");
  xgboost::ModelOptions options;
  options.is_wrapper = true;
  SPINNEY_ASSIGN(options.missing, missing_of(record));
  SPINNEY_ASSIGN(Description model, describe_handle(*booster->record(), options));
  model.source.kind = std::string(record.name);
  if (record.name.ends_with("Classifier")) {
    SPINNEY_TRY(make_classifier(record, model));
  } else {
    model.output.has_probabilities = false;
    model.output.labels.clear();
  }
  return model;
}

}  // namespace spinney::load
