// Estimators that answer as the one that they hold: searches, FrozenEstimator, self-training.
#include <algorithm>
#include <array>

#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/sklearn.h"

namespace spinney::load {
namespace {

struct Holder {
  std::string_view name;
  std::string_view attribute;
  std::string_view old_attribute;  // what it was called before; empty: the same
  bool searches = false;
  // Whether frames become arrays before the estimator within sees them, names and all.
  bool takes_names = false;
};

constexpr std::array kHolders = {
    Holder{"GridSearchCV", "best_estimator_", "", true},
    Holder{"RandomizedSearchCV", "best_estimator_", "", true},
    Holder{"HalvingGridSearchCV", "best_estimator_", "", true},
    Holder{"HalvingRandomSearchCV", "best_estimator_", "", true},
    Holder{"FrozenEstimator", "estimator", ""},
    Holder{"SelfTrainingClassifier", "estimator_", "base_estimator_", false, true},
};

const Holder* holder_of(const Record& record) {
  if (record.package() != "sklearn") return nullptr;
  const auto* found = std::find_if(kHolders.begin(), kHolders.end(),
                                   [&](const Holder& h) { return h.name == record.name; });
  return found == kHolders.end() ? nullptr : found;
}

const Value* held_by(const Record& record, const Holder& holder) {
  const Value* held = optional_attribute(record, holder.attribute);
  return held || holder.old_attribute.empty() ? held
                                              : optional_attribute(record, holder.old_attribute);
}

Error holds_nothing(const Record& record, const Holder& holder) {
  const Value* refit = record.find("refit");
  if (holder.searches && refit && refit->integer() == 0)
    return unsupported(record.full_name() +
                       " was made with refit=False and holds no best estimator; fit one with its "
                       "best_params_ and save that, or search with refit=True");
  return unsupported(place(record, holder.attribute) +
                     " is absent. Was the model fitted before it was saved?");
}

}  // namespace

const Record* estimator_within(const Record& record) {
  const Holder* holder = holder_of(record);
  const Value* held = holder ? held_by(record, *holder) : nullptr;
  return held ? held->record() : nullptr;
}

Result<DescriptionParts> describe_sklearn_wrapped(const Record& record, DescribeContext& context) {
  const Holder* holder = holder_of(record);
  if (!holder) return unsupported(record.full_name() + " holds no estimator that is known");
  const Value* held = held_by(record, *holder);
  if (!held) return holds_nothing(record, *holder);
  auto described = describe_estimator(*held, context);
  if (!described.ok())
    return Error{described.error().code,
                 place(record, holder->attribute) + ": " + described.error().message};
  DescriptionParts description = std::move(described).value();
  if (!holder->takes_names) return description;
  description.feature_names.clear();
  SPINNEY_TRY(read_feature_names(record, description.n_features(), description));
  return description;
}

}  // namespace spinney::load
