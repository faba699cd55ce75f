#include <string>

#include "spinney/link/link.h"

namespace spinney::link {
namespace {

size_t total_labels(const Output& output) {
  size_t total = 0;
  for (const Labels& labels : output.labels) total += labels.size();
  return total;
}

}  // namespace

Status check(const Output& output, size_t n_raw) {
  const size_t columns = output.decision_on_raw ? n_raw : value_columns(output, n_raw);
  if (columns == 0) return corrupt("the model has no scores to decide by");
  for (const Labels& labels : output.labels)
    if (labels.size() == 0) return corrupt("the model has an empty list of classes");
  if (output.labels.empty()) return {};
  // Columns of probabilities are cut up among several targets by their numbers of classes.
  const size_t probabilities = probability_columns(output, n_raw);
  if (output.has_probabilities && output.labels.size() > 1 &&
      probabilities != output.labels.size() && probabilities != total_labels(output))
    return corrupt("the model names " + std::to_string(total_labels(output)) + " classes of " +
                   std::to_string(output.labels.size()) + " targets and has " +
                   std::to_string(probabilities) + " probabilities");
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
  }
  return corrupt("the model decides in an unknown way");
}

}  // namespace spinney::link
