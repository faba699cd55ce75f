#include "spinney/load/xgboost/wrapper.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "spinney/load/file/budget.h"

namespace spinney::load::xgboost {
namespace {

Labels numbers_below(size_t n) {
  std::vector<int64_t> values(n);
  for (size_t k = 0; k < n; ++k) values[k] = static_cast<int64_t>(k);
  Labels labels;
  labels.values = std::move(values);
  return labels;
}

// Each output is a label of its own, or not: what predict() gives are floats.
void make_multi_label(DescriptionParts& model) {
  Labels labels;
  labels.values = std::vector<double>{0, 1};
  labels.dtype = "<f8";
  model.output.labels.assign(model.n_outputs(), labels);
  model.output.decision = Decision::kThreshold;
  model.output.threshold = 0.5;
}

// Before 1.6 the wrapper could keep the labels that it had numbered.
Result<Labels> class_labels(const Wrapper& wrapper, size_t n_classes) {
  if (!wrapper.labels) return numbers_below(n_classes);
  if (wrapper.labels->size() != n_classes)
    return corrupt(wrapper.kind + " numbered " + std::to_string(wrapper.labels->size()) +
                   " labels of " + std::to_string(n_classes) + " classes");
  return *wrapper.labels;
}

// What XGBClassifier.predict makes of the Booster's values; see its source for the cases.
Status make_classifier(const Wrapper& wrapper, DescriptionParts& model) {
  const size_t n_outputs = model.n_outputs();
  Output& output = model.output;
  // Several outputs of one class each are labels of their own to a Booster without classes.
  const bool has_classes = output.task == Task::kMulticlass;
  const size_t n_classes = wrapper.n_classes > 0
                               ? wrapper.n_classes
                               : (has_classes ? std::max<size_t>(n_outputs, 2) : 2);
  if (n_classes > n_outputs && n_classes > 2)
    return corrupt("n_classes_ of " + wrapper.kind + " is " + std::to_string(n_classes) +
                   ", but the model has " + std::to_string(n_outputs) + " outputs");
  output.has_probabilities = true;
  if (output.link.kind == LinkKind::kXgbMultiArgmax) {
    // The margins decide; probabilities are scipy's softmax of them.
    output.link.kind = LinkKind::kPairwiseSoftmax;
    output.decision = Decision::kArgmax;
    output.decision_on_raw = true;
    output.labels = {numbers_below(n_outputs)};
    output.labels[0].dtype = "<i4";
    return {};
  }
  if (n_outputs > 1 && n_classes == 2) {
    SPINNEY_TRY(
        spend("n_classes_ of " + wrapper.kind, n_outputs, sizeof(Labels) + 2 * sizeof(double)));
    make_multi_label(model);
    return {};
  }
  if (n_outputs > 1 && n_classes != n_outputs)
    return unsupported(wrapper.kind + " has " + std::to_string(n_outputs) + " outputs for " +
                       std::to_string(n_classes) +
                       " classes; give as_booster=True for its Booster's answers");
  output.decision = n_outputs > 1 ? Decision::kArgmax : Decision::kThreshold;
  output.threshold = 0.5;
  SPINNEY_ASSIGN(Labels labels, class_labels(wrapper, n_outputs > 1 ? n_classes : 2));
  output.labels = {std::move(labels)};
  return {};
}

}  // namespace

Status dress_as_wrapper(const Wrapper& wrapper, DescriptionParts& model) {
  model.source.kind = wrapper.kind;
  if (wrapper.is_classifier()) return make_classifier(wrapper, model);
  model.output.has_probabilities = false;
  model.output.labels.clear();
  return {};
}

}  // namespace spinney::load::xgboost
