// What of an Output would lead a link or a decision out of its arrays, or to answers that no
// training library gives.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "spinney/model/label_type.h"
#include "spinney/model/output.h"

namespace spinney {
namespace {

// Arrays of labels of all targets together, as a caller's language would make them.
constexpr size_t kLabelBytesMax = size_t{256} << 20;

size_t total_labels(const Output& output) {
  size_t total = 0;
  for (const Labels& labels : output.labels) total += labels.size();
  return total;
}

// Characters of UTF-8, whose first bytes are those that continue none.
size_t characters(const std::string& text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

Error misfit(const Labels& labels, size_t i, const std::string& value) {
  return corrupt("label " + std::to_string(i) + " is " + value + ", which dtype \"" + labels.dtype +
                 "\" does not hold");
}

Status check_integers(const Labels& labels, const std::vector<int64_t>& values,
                      const LabelType& type) {
  int64_t low = 0, high = 1;
  if (type.kind != LabelKind::kBool) {
    const auto bits = static_cast<unsigned>(8 * type.size);
    const bool is_signed = type.kind == LabelKind::kInteger;
    const unsigned magnitude = is_signed ? bits - 1 : bits;
    high = magnitude >= 63 ? INT64_MAX : (int64_t{1} << magnitude) - 1;
    low = is_signed ? -high - 1 : 0;
  }
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] < low || values[i] > high) return misfit(labels, i, std::to_string(values[i]));
  return {};
}

Status check_texts(const Labels& labels, const std::vector<std::string>& values,
                   const LabelType& type) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (type.kind == LabelKind::kObject) continue;
    const size_t size = type.kind == LabelKind::kText ? characters(values[i]) : values[i].size();
    if (size > type.size)
      return misfit(labels, i, "a text of " + std::to_string(size) + " characters");
  }
  return {};
}

// The values are of the kind, and within the range, of the dtype that says what an array of them
// is: the form that readers make.
Status check_values(const Labels& labels, const LabelType& type) {
  if (labels.is_bool != (type.kind == LabelKind::kBool))
    return corrupt("labels of dtype \"" + labels.dtype + "\" are " +
                   (labels.is_bool ? "" : "not ") + "declared booleans");
  const auto* integers = std::get_if<std::vector<int64_t>>(&labels.values);
  const auto* texts = std::get_if<std::vector<std::string>>(&labels.values);
  switch (type.kind) {
    case LabelKind::kBool:
    case LabelKind::kInteger:
    case LabelKind::kUnsigned:
      if (integers) return check_integers(labels, *integers, type);
      break;
    case LabelKind::kFloat:
      if (!integers && !texts) return {};
      break;
    case LabelKind::kText:
    case LabelKind::kBytes:
    case LabelKind::kObject:
      if (texts) return check_texts(labels, *texts, type);
      break;
  }
  return corrupt("labels of dtype \"" + labels.dtype + "\" are stored as " +
                 (texts      ? "texts"
                  : integers ? "whole numbers"
                             : "floating-point numbers"));
}

Status check_labels(const Output& output) {
  size_t bytes = 0;
  for (size_t t = 0; t < output.labels.size(); ++t) {
    const Labels& labels = output.labels[t];
    const std::string where = output.labels.size() == 1 ? "" : "target " + std::to_string(t) + ": ";
    const Result<LabelType> type = parse_label_type(labels.dtype);
    if (!type.ok()) return Error{type.error().code, where + type.error().message};
    if (labels.size() == 0) return corrupt("the model has an empty list of classes");
    if (labels.size() > static_cast<size_t>(INT32_MAX))
      return too_large("the model has more than 2,147,483,647 classes");
    // Neither factor is large enough for the product to wrap.
    bytes += labels.size() * type->item_bytes();
    if (bytes > kLabelBytesMax)
      return too_large(where + "an array of " + std::to_string(labels.size()) +
                       " labels of dtype \"" + labels.dtype + "\" is larger than " +
                       std::to_string(kLabelBytesMax) + " bytes");
    const Status values = check_values(labels, *type);
    if (!values.ok()) return corrupt(where + values.error().message);
  }
  return {};
}

// The numbers of a link are those that libraries write: a scale above zero, a count.
Status check_link(const Link& link) {
  if (link.kind > LinkKind::kTreeliteSignedSquare) return corrupt("the model has an unknown link");
  if (!std::isfinite(link.divisor) || link.divisor == 0)
    return corrupt("the link divides scores by " + std::to_string(link.divisor));
  const bool scales = link.kind == LinkKind::kLgbSigmoid || link.kind == LinkKind::kExpit;
  const bool counts = link.kind == LinkKind::kIsolation;
  if (!std::isfinite(link.parameter) || (scales && link.parameter <= 0) ||
      (counts && link.parameter < 0))
    return corrupt("the link's parameter is " + std::to_string(link.parameter) + ", not a number " +
                   (scales ? "above zero" : "it can take"));
  return {};
}

Status check_decision(const Output& output, size_t columns) {
  switch (output.decision) {
    case Decision::kValues:
      return {};
    case Decision::kArgmax:
      if (columns == 1 && output.labels.size() == 1 && output.labels[0].size() == 2) return {};
      if (total_labels(output) == columns) return {};
      return corrupt("the model names " + std::to_string(total_labels(output)) +
                     " classes and decides by " + std::to_string(columns) + " scores");
    case Decision::kThreshold:
    case Decision::kThresholdInclusive:
      for (const Labels& labels : output.labels)
        if (labels.size() != 2)
          return corrupt("the model decides by a threshold, between two classes, and names " +
                         std::to_string(labels.size()));
      if (output.labels.size() <= columns &&
          (output.decision == Decision::kThreshold || output.labels.size() == 1))
        return {};
      return corrupt("the model decides " + std::to_string(output.labels.size()) + " targets by " +
                     std::to_string(columns) + " scores");
    case Decision::kOutlier:
      return corrupt("the model tells outliers and names classes besides");
    case Decision::kByNode:
      return {};
  }
  return corrupt("the model decides in an unknown way");
}

}  // namespace

Status check_output(const Output& output, size_t n_raw) {
  if (output.task > Task::kOutlier || output.value_type > NumberType::kFloat64 ||
      output.decision > Decision::kByNode)
    return corrupt("the model's task, type of values or way to decide is unknown");
  SPINNEY_TRY(check_link(output.link));
  const size_t columns = output.decision_on_raw ? n_raw : value_columns(output, n_raw);
  if (columns == 0) return corrupt("the model has no scores to decide by");
  if (std::isnan(output.threshold)) return corrupt("the model decides by a threshold of NaN");
  if (output.labels.empty()) return {};
  SPINNEY_TRY(check_labels(output));
  // Columns of probabilities are cut up among several targets by their numbers of classes.
  const size_t probabilities = probability_columns(output, n_raw);
  if (output.has_probabilities && output.labels.size() > 1 &&
      probabilities != output.labels.size() && probabilities != total_labels(output))
    return corrupt("the model names " + std::to_string(total_labels(output)) + " classes of " +
                   std::to_string(output.labels.size()) + " targets and has " +
                   std::to_string(probabilities) + " probabilities");
  return check_decision(output, columns);
}

}  // namespace spinney
