#include "spinney/load/xgboost/objective.h"

#include <algorithm>
#include <cmath>

namespace spinney::load::xgboost {
namespace {

enum class Space : uint8_t { kMargin, kLogit, kLog };  // of the base score in the file

struct Objective {
  std::string_view name;
  LinkKind link;
  Space base;
  Task task;
};

constexpr std::string_view kExpectile = "reg:expectileerror";

constexpr Objective kObjectives[] = {
    {"binary:logistic", LinkKind::kXgbSigmoid, Space::kLogit, Task::kBinary},
    {"binary:logitraw", LinkKind::kIdentity, Space::kMargin, Task::kBinary},
    {"binary:hinge", LinkKind::kXgbHinge, Space::kMargin, Task::kBinary},
    {"multi:softmax", LinkKind::kXgbMultiArgmax, Space::kMargin, Task::kMulticlass},
    {"multi:softprob", LinkKind::kXgbSoftmax, Space::kMargin, Task::kMulticlass},
    {"reg:squarederror", LinkKind::kIdentity, Space::kMargin, Task::kRegression},
    {"reg:linear", LinkKind::kIdentity, Space::kMargin, Task::kRegression},
    {"reg:squaredlogerror", LinkKind::kIdentity, Space::kMargin, Task::kRegression},
    {"reg:logistic", LinkKind::kXgbSigmoid, Space::kLogit, Task::kRegression},
    {"reg:pseudohubererror", LinkKind::kIdentity, Space::kMargin, Task::kRegression},
    {"reg:absoluteerror", LinkKind::kIdentity, Space::kMargin, Task::kRegression},
    {"reg:quantileerror", LinkKind::kIdentity, Space::kMargin, Task::kRegression},
    {kExpectile, LinkKind::kIdentity, Space::kMargin, Task::kRegression},
    {"reg:gamma", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
    {"reg:tweedie", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
    {"count:poisson", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
    {"survival:cox", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
    // The only one whose exp is that of float64, rounded afterwards.
    {"survival:aft", LinkKind::kExp, Space::kLog, Task::kRegression},
    {"rank:pairwise", LinkKind::kIdentity, Space::kMargin, Task::kRanking},
    {"rank:ndcg", LinkKind::kIdentity, Space::kMargin, Task::kRanking},
    {"rank:map", LinkKind::kIdentity, Space::kMargin, Task::kRanking},
};

const Objective* find(std::string_view name) {
  for (const Objective& objective : kObjectives)
    if (objective.name == name) return &objective;
  return nullptr;
}

// Labels 0 to n - 1, which are what a Booster's classes are called.
Labels numbered(size_t n) {
  std::vector<int64_t> values(n);
  for (size_t k = 0; k < n; ++k) values[k] = static_cast<int64_t>(k);
  Labels labels;
  labels.values = std::move(values);
  return labels;
}

}  // namespace

Output output_of(const std::string& objective, size_t n_outputs, const Version& version,
                 std::vector<std::string>& warnings) {
  Output output;
  output.objective = objective;
  const Objective* known = find(objective);
  if (!known) {
    warnings.push_back("the objective " + objective +
                       " is not one of XGBoost's own that are known here: predictions are raw "
                       "scores, as XGBoost gives for a custom objective");
    return output;
  }
  output.link.kind = known->link;
  output.task = known->task;
  // Several quantiles or expectiles are kept from crossing since 3.4.
  if (n_outputs > 1 && !version.before(3, 4)) {
    if (objective == "reg:quantileerror") output.link.kind = LinkKind::kXgbAscending;
    if (objective == kExpectile) output.link.kind = LinkKind::kXgbSoftplusSum;
  }
  if (known->link == LinkKind::kXgbSoftmax) {
    output.has_probabilities = true;
    output.labels = {numbered(n_outputs)};
  } else if (objective == "binary:logistic" && n_outputs == 1) {
    output.has_probabilities = true;
    output.labels = {numbered(2)};
  }
  return output;
}

std::vector<double> base_margins(const std::string& objective, std::vector<float> scores,
                                 const Version& version) {
  constexpr float kEps = 1e-6f;
  const Objective* known = find(objective);
  const Space space = known ? known->base : Space::kMargin;
  if (space == Space::kLog)
    for (float& score : scores) score = std::log(score);
  if (space == Space::kLogit) {
    for (float& score : scores) {
      // Bounded away from 0 and 1 since 3.2.
      if (!version.before(3, 2)) score = std::min(std::max(score, kEps), 1.0f - kEps);
      score = -std::log(1.0f / score - 1.0f);
    }
  }
  if (objective == kExpectile && !version.before(3, 4)) {
    // The inverse of the link: from the last to the second, each from the gap below it.
    for (size_t k = scores.size(); k-- > 1;) {
      const float gap = std::max((scores[k] - scores[k - 1]) - kEps, kEps);
      scores[k] = gap + std::log(-std::expm1(-gap));
    }
  }
  return {scores.begin(), scores.end()};
}

}  // namespace spinney::load::xgboost
