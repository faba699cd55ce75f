#include "spinney/load/xgboost_objective.h"

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
    {"reg:expectileerror", LinkKind::kIdentity, Space::kMargin, Task::kRegression},
    {"reg:gamma", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
    {"reg:tweedie", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
    {"count:poisson", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
    {"survival:cox", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
    {"survival:aft", LinkKind::kExpFloat, Space::kLog, Task::kRegression},
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

std::string Version::text() const {
  if (major == 0 && minor == 0 && patch == 0) return "";
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

Output output_of(const std::string& objective, size_t n_outputs,
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
  if (known->link == LinkKind::kXgbSoftmax) {
    output.has_probabilities = true;
    output.labels = {numbered(n_outputs)};
  } else if (objective == "binary:logistic" && n_outputs == 1) {
    output.has_probabilities = true;
    output.labels = {numbered(2)};
  }
  return output;
}

float base_margin(const std::string& objective, float base_score, const Version& version) {
  const Objective* known = find(objective);
  if (!known) return base_score;
  switch (known->base) {
    case Space::kMargin:
      return base_score;
    case Space::kLog:
      return std::log(base_score);
    case Space::kLogit: {
      // Bounded away from 0 and 1 since 3.2.
      constexpr float kEps = 1e-6f;
      if (!version.before(3, 2)) base_score = std::min(std::max(base_score, kEps), 1.0f - kEps);
      return -std::log(1.0f / base_score - 1.0f);
    }
  }
  return base_score;
}

}  // namespace spinney::load::xgboost
