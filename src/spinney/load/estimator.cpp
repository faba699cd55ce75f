#include "spinney/load/estimator.h"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

#include "spinney/load/catboost/catboost.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/lightgbm/lightgbm.h"
#include "spinney/load/pickle/made_class.h"
#include "spinney/load/pickle/models_within.h"
#include "spinney/load/sklearn/sklearn.h"
#include "spinney/load/xgboost/xgboost.h"

namespace spinney::load {
namespace {

constexpr size_t kModuleBytesMax = 200;

struct Entry {
  std::string_view package;  // first part of the module: the rest has moved between versions
  std::string_view name;
  Describer describe;
};

constexpr std::array kEntries = {
    Entry{"catboost", "CatBoost", describe_catboost},
    Entry{"catboost", "CatBoostClassifier", describe_catboost},
    Entry{"catboost", "CatBoostRanker", describe_catboost},
    Entry{"catboost", "CatBoostRegressor", describe_catboost},
    Entry{"lightgbm", "Booster", describe_lightgbm_booster},
    Entry{"lightgbm", "LGBMModel", describe_lightgbm_wrapper},
    Entry{"lightgbm", "LGBMClassifier", describe_lightgbm_wrapper},
    Entry{"lightgbm", "LGBMRegressor", describe_lightgbm_wrapper},
    Entry{"lightgbm", "LGBMRanker", describe_lightgbm_wrapper},
    Entry{"imblearn", "Pipeline", describe_sklearn_pipeline},
    Entry{"sklearn", "Pipeline", describe_sklearn_pipeline},
    Entry{"sklearn", "DecisionTreeClassifier", describe_sklearn_tree},
    Entry{"sklearn", "DecisionTreeRegressor", describe_sklearn_tree},
    Entry{"sklearn", "ExtraTreeClassifier", describe_sklearn_tree},
    Entry{"sklearn", "ExtraTreeRegressor", describe_sklearn_tree},
    Entry{"sklearn", "RandomForestClassifier", describe_sklearn_forest},
    Entry{"sklearn", "RandomForestRegressor", describe_sklearn_forest},
    Entry{"sklearn", "ExtraTreesClassifier", describe_sklearn_forest},
    Entry{"sklearn", "ExtraTreesRegressor", describe_sklearn_forest},
    Entry{"sklearn", "GradientBoostingClassifier", describe_sklearn_boosting},
    Entry{"sklearn", "GradientBoostingRegressor", describe_sklearn_boosting},
    Entry{"sklearn", "HistGradientBoostingClassifier", describe_sklearn_histogram},
    Entry{"sklearn", "HistGradientBoostingRegressor", describe_sklearn_histogram},
    Entry{"sklearn", "LinearRegression", describe_sklearn_linear},
    Entry{"sklearn", "Ridge", describe_sklearn_linear},
    Entry{"sklearn", "RidgeCV", describe_sklearn_linear},
    Entry{"sklearn", "Lasso", describe_sklearn_linear},
    Entry{"sklearn", "LassoCV", describe_sklearn_linear},
    Entry{"sklearn", "ElasticNet", describe_sklearn_linear},
    Entry{"sklearn", "ElasticNetCV", describe_sklearn_linear},
    Entry{"sklearn", "Lars", describe_sklearn_linear},
    Entry{"sklearn", "LassoLars", describe_sklearn_linear},
    Entry{"sklearn", "BayesianRidge", describe_sklearn_linear},
    Entry{"sklearn", "HuberRegressor", describe_sklearn_linear},
    Entry{"sklearn", "SGDRegressor", describe_sklearn_linear},
    Entry{"sklearn", "LinearSVR", describe_sklearn_linear},
    Entry{"sklearn", "LogisticRegression", describe_sklearn_linear},
    Entry{"sklearn", "LogisticRegressionCV", describe_sklearn_linear},
    Entry{"sklearn", "IsolationForest", describe_sklearn_isolation},
    Entry{"sklearn", "AdaBoostClassifier", describe_sklearn_adaboost_classifier},
    Entry{"sklearn", "AdaBoostRegressor", describe_sklearn_adaboost_regressor},
    Entry{"sklearn", "BaggingClassifier", describe_sklearn_bagging_classifier},
    Entry{"sklearn", "BaggingRegressor", describe_sklearn_bagging_regressor},
    Entry{"sklearn", "VotingClassifier", describe_sklearn_voting_classifier},
    Entry{"sklearn", "VotingRegressor", describe_sklearn_voting_regressor},
    Entry{"sklearn", "GridSearchCV", describe_sklearn_wrapped},
    Entry{"sklearn", "RandomizedSearchCV", describe_sklearn_wrapped},
    Entry{"sklearn", "HalvingGridSearchCV", describe_sklearn_wrapped},
    Entry{"sklearn", "HalvingRandomSearchCV", describe_sklearn_wrapped},
    Entry{"sklearn", "FrozenEstimator", describe_sklearn_wrapped},
    Entry{"sklearn", "SelfTrainingClassifier", describe_sklearn_wrapped},
    Entry{"sklearn", "CalibratedClassifierCV", describe_sklearn_calibrated},
    Entry{"sklearn", "StackingClassifier", describe_sklearn_stacking},
    Entry{"sklearn", "StackingRegressor", describe_sklearn_stacking},
    Entry{"sklearn", "OneVsRestClassifier", describe_sklearn_one_vs_rest},
    Entry{"sklearn", "OneVsOneClassifier", describe_sklearn_one_vs_one},
    Entry{"sklearn", "OutputCodeClassifier", describe_sklearn_output_code},
    Entry{"sklearn", "TransformedTargetRegressor", describe_sklearn_transformed_target},
    Entry{"sklearn", "FixedThresholdClassifier", describe_sklearn_threshold},
    Entry{"sklearn", "TunedThresholdClassifierCV", describe_sklearn_threshold},
    Entry{"sklearn", "MultiOutputClassifier", describe_sklearn_multi_output_classifier},
    Entry{"sklearn", "MultiOutputRegressor", describe_sklearn_multi_output_regressor},
    Entry{"sklearn", "ClassifierChain", describe_sklearn_classifier_chain},
    Entry{"sklearn", "RegressorChain", describe_sklearn_regressor_chain},
    Entry{"xgboost", "Booster", describe_xgboost_booster},
    Entry{"xgboost", "XGBClassifier", describe_xgboost_wrapper},
    Entry{"xgboost", "XGBModel", describe_xgboost_wrapper},
    Entry{"xgboost", "XGBRFClassifier", describe_xgboost_wrapper},
    Entry{"xgboost", "XGBRFRegressor", describe_xgboost_wrapper},
    Entry{"xgboost", "XGBRanker", describe_xgboost_wrapper},
    Entry{"xgboost", "XGBRegressor", describe_xgboost_wrapper},
};

// Composites whose inner model is what a user can load, and the attribute that holds it.
struct Wrapper {
  std::string_view name;
  std::string_view advice;
};
constexpr std::array kWrappers = {
    Wrapper{"Pipeline",
            "save its final step, `pipeline[-1]`, and transform rows with "
            "`pipeline[:-1]`"},
};

const Entry* entry_of(std::string_view module, std::string_view name) {
  if (module.size() > kModuleBytesMax) return nullptr;
  const std::string_view package = module.substr(0, module.find('.'));
  for (const Entry& entry : kEntries)
    if (name == entry.name && package == entry.package) return &entry;
  return nullptr;
}

std::string native_names() {
  std::string names;
  std::string_view before;  // the same class of two packages is named once
  for (const Entry& entry : kEntries) {
    if (entry.name == before) continue;
    before = entry.name;
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  return names;
}

Error no_native_path(const Record& record) {
  std::string message = record.full_name();
  message += " has no native reader.";
  const std::string permission =
      "spinney.load does that if it is told what may be unpickled: allowed_classes=['" +
      record.full_name() + "', …], or trusted=True.";
  const auto* wrapper = std::find_if(std::begin(kWrappers), std::end(kWrappers),
                                     [&](const Wrapper& w) { return record.name == w.name; });
  if (record.package() == "sklearnex" || record.package() == "daal4py")
    return unsupported(
        message
            .append(" It was trained under scikit-learn-intelex, whose own library predicts with "
                    "it; train it without the patch, or have a Python worker process run it: ")
            .append(permission));
  if (wrapper != std::end(kWrappers))
    return unsupported(message.append(" Instead, ")
                           .append(wrapper->advice)
                           .append(". Or have a Python worker process run it as it is; ")
                           .append(permission));
  return unsupported(message + " Classes that have one: " + native_names() +
                     ". Other objects have to be unpickled and run by a Python worker process; " +
                     permission);
}

// What may be chosen of an object, or of the one that answers for it. Of scikit-learn's own
// estimators that hold members nothing may be, so that a choice never reaches one.
Status check_choice(const Record& root, const Choice& choice) {
  if (!choice.any()) return {};
  const Record* record = &root;
  for (unsigned depth = 0; depth < kEstimatorDepthMax; ++depth)
    if (const Record* within = estimator_within(*record)) record = within;
  if (record->package() == "xgboost") return check_xgboost_choice(choice);
  if (record->package() == "catboost") return check_catboost_choice(choice);
  if (record->package() == "lightgbm") return check_lightgbm_choice(choice);
  return refuse_choice(choice, record->full_name());
}

// Whether a record in a container is a model, with a native reader or without.
bool is_model(const Record& record) {
  constexpr std::array kEndings = {
      std::string_view("Classifier"), std::string_view("Regressor"), std::string_view("Ranker"),
      std::string_view("Booster"),    std::string_view("Pipeline"),  std::string_view("CV"),
      std::string_view("SVC"),        std::string_view("SVR"),       std::string_view("NB"),
      std::string_view("SVM"),        std::string_view("Regression")};
  return entry_of(record.module, record.name) || base_that_predicts(record) ||
         std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return record.name.ends_with(ending); });
}

Result<DescriptionParts> describe_record(const Record& record, DescribeContext& context) {
  if (context.depth_left == 0) return too_large("estimators lie within estimators too deeply");
  --context.depth_left;
  // Errors name the module, and are made ready for every attribute.
  Record as_base;
  const Record* described = &record;
  if (const Value::Global* base = base_that_predicts(record)) {
    as_base.module = base->module;
    as_base.name = base->name;
    as_base.state = record.state;
    described = &as_base;
  }
  const Entry* entry = entry_of(described->module, described->name);
  if (!entry) return no_native_path(record);
  SPINNEY_TRY(spend(described->full_name(), 1, sizeof(Description), kModelObjects));
  auto description = entry->describe(*described, context);
  ++context.depth_left;
  return description;
}

Result<DescriptionParts> describe_one(const Record& record, const Choice& choice) {
  DescribeContext context;
  SPINNEY_TRY(check_choice(record, choice));
  context.choice = choice;
  return describe_record(record, context);
}

Result<DescriptionParts> describe_models(const std::vector<ModelWithin>& models,
                                         const Choice& choice) {
  std::vector<Member> members;
  for (const ModelWithin& model : models) {
    auto parts = describe_one(*model.record, choice);
    if (!parts.ok()) return Error{parts.error().code, model.path + ": " + parts.error().message};
    if (models.size() == 1 && !choice.member.ends_with('*')) return parts;
    auto described = make_description(std::move(parts).value());
    if (!described.ok())
      return Error{described.error().code, model.path + ": " + described.error().message};
    Member member;
    member.model = std::make_shared<const Description>(std::move(described).value());
    members.push_back(std::move(member));
  }
  return describe_folds(std::move(members));
}

// A dict, list or tuple with a model in it, and plain data beside.
Result<DescriptionParts> describe_container(const Value& root, const Choice& choice) {
  SPINNEY_ASSIGN(const std::vector<ModelWithin> all, models_within(root, is_model));
  if (all.empty())
    return unsupported("found " + root.what() + " that holds no model. Save the estimator or " +
                       "Booster itself, or a dict, list or tuple that it lies in.");
  SPINNEY_ASSIGN(const std::vector<ModelWithin> chosen, choose_models(all, choice.member));
  SPINNEY_ASSIGN(DescriptionParts parts, describe_models(chosen, choice));
  std::vector<std::string> unread;
  PlainValue beside = beside_model(root, all, unread);
  if (!std::get<PlainDict>(beside.value).keys.empty())
    parts.beside = std::make_shared<const PlainValue>(std::move(beside));
  if (unread.empty()) return parts;
  std::string named;
  for (const std::string& one : unread) named += (named.empty() ? "" : ", ") + one;
  parts.warnings.push_back("objects beside the model are not read: " + named +
                           "; if rows have to pass through them first, that is still to be done");
  return parts;
}

Result<DescriptionParts> describe_root(const Value& root, const Choice& choice) {
  const Record* record = root.record();
  const bool is_one = record && (is_model(*record) || !holds_values(root));
  if (!is_one && holds_values(root)) return describe_container(root, choice);
  SPINNEY_TRY(refuse_member(choice, root.what()));
  DescribeContext context;
  if (record) return describe_one(*record, choice);
  return describe_estimator(root, context);
}

}  // namespace

Result<Description> describe_pickle(const Pickle& pickle, const Choice& choice,
                                    const std::string& format) try {
  Budget budget = pickle.budget;
  const BudgetInUse in_use(budget);
  SPINNEY_ASSIGN(DescriptionParts description, describe_root(pickle.root, choice));
  if (!format.empty())
    description.source.format = format;
  else if (description.source.format.empty())
    description.source.format = pickle.is_joblib ? "joblib" : "pickle";
  return make_description(std::move(description));
} catch (const std::bad_alloc&) {
  return too_large("the model needs more memory than there is");
} catch (const std::length_error&) {
  return too_large("the model declares a size beyond what memory can hold");
}

Result<DescriptionParts> describe_estimator(const Value& value, DescribeContext& context) {
  const Record* record = value.record();
  if (!record)
    return unsupported("found " + value.what() + ", not a fitted model. Save the estimator or " +
                       "Booster itself.");
  return describe_record(*record, context);
}

}  // namespace spinney::load
