// Linear regressors and logistic regression.
#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/sklearn.h"

namespace spinney::load {
namespace {

bool is_ovr(const Record& record, size_t n_classes) {
  const Value* mode = record.find("multi_class");
  const Value* solver = record.find("solver");
  const std::string_view text = mode ? mode->string().value_or("auto") : "auto";
  if (text == "ovr" || text == "warn") return true;
  if (text == "multinomial") return false;
  return n_classes <= 2 || (mode && solver && solver->string() == "liblinear");
}

Status read_output(const Record& record, size_t n_outputs, Output& output) {
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  output.labels.emplace_back();
  SPINNEY_ASSIGN(output.labels[0], to_labels(*classes, place(record, "classes_")));
  const size_t n_classes = output.labels[0].size();
  if (n_classes < 2 || n_outputs != (n_classes == 2 ? 1 : n_classes))
    return corrupt(place(record, "coef_") + " holds " + std::to_string(n_outputs) + " rows for " +
                   std::to_string(n_classes) + " classes");
  const bool ovr = is_ovr(record, n_classes);
  output.objective = ovr ? "log_loss, one-vs-rest" : "log_loss, multinomial";
  output.has_probabilities = true;
  output.decision_on_raw = true;
  if (n_classes == 2) {
    output.task = Task::kBinary;
    output.decision = Decision::kThreshold;
    output.threshold = 0;
    // A multinomial fit of two classes is the softmax of [-d, d]: expit(2 d).
    output.link = {.kind = LinkKind::kExpit, .parameter = ovr ? 1.0 : 2.0};
  } else {
    output.task = Task::kMulticlass;
    output.decision = Decision::kArgmax;
    output.link = {.kind = ovr ? LinkKind::kExpitNormalize : LinkKind::kPairwiseSoftmax};
  }
  return {};
}

}  // namespace

Result<DescriptionParts> describe_sklearn_linear(const Record& record,
                                                 DescribeContext& /*context*/) {
  SPINNEY_ASSIGN(const NdArray* const coef, array_attribute(record, "coef_"));
  SPINNEY_ASSIGN(const Value* const intercept, attribute(record, "intercept_"));
  DescriptionParts description;
  Linear linear;
  SPINNEY_TRY(read_sklearn_source(record, description));
  const size_t rank = coef->shape.size();
  if (rank != 1 && rank != 2)
    return corrupt(place(record, "coef_") + " has " + std::to_string(rank) + " axes");
  if (coef->shape.back() > (1 << 24) || coef->shape[0] > (1 << 24))
    return too_large(place(record, "coef_") + " has more than 16,777,216 rows or columns");
  linear.n_features = static_cast<uint32_t>(coef->shape.back());
  linear.n_outputs = rank == 2 ? static_cast<uint32_t>(coef->shape[0]) : 1;
  SPINNEY_TRY(read_feature_names(record, linear.n_features, description));
  linear.arithmetic = coef->dtype.text == "<f4" ? NumberType::kFloat32 : NumberType::kFloat64;
  SPINNEY_ASSIGN(linear.weights, to_doubles(*record.find("coef_"), place(record, "coef_")));
  SPINNEY_ASSIGN(std::vector<double> bias, to_doubles(*intercept, place(record, "intercept_")));
  SPINNEY_TRY(spend(place(record, "intercept_"), linear.n_outputs, sizeof(double)));
  if (bias.size() == 1) bias.resize(linear.n_outputs, bias[0]);  // fit_intercept=False
  linear.bias = std::move(bias);

  Output& output = description.output;
  // numpy adds an array of float64 in float64, but a number in the type of the array beside it.
  const NdArray* const intercepts = intercept->array();
  linear.wide_intercept = linear.arithmetic == NumberType::kFloat32 && intercepts &&
                          !intercepts->shape.empty() && intercepts->dtype.kind == 'f' &&
                          intercepts->dtype.item_size == sizeof(double);
  output.value_type = linear.score_type();
  if (record.find("classes_")) {
    SPINNEY_TRY(read_output(record, linear.n_outputs, output));
  } else {
    output.objective = "regression";
    output.keep_column_axis = rank == 2;
  }
  description.refuses_infinity = true;
  description.refuses_missing = true;
  SPINNEY_ASSIGN(description.scorer, make_linear(std::move(linear)));
  return description;
}

}  // namespace spinney::load
