// scikit-learn's estimators as Descriptions; estimator.cpp lists the classes that each one takes.
#pragma once

#include "spinney/load/estimator.h"
#include "spinney/model/ensemble.h"

namespace spinney::load {

// DecisionTree*, ExtraTree*: one tree; float32 inputs, `<=`.
Result<DescriptionParts> describe_sklearn_tree(const Record& record, DescribeContext& context);
// RandomForest*, ExtraTrees*: the mean of trees, in float64 and tree order.
Result<DescriptionParts> describe_sklearn_forest(const Record& record, DescribeContext& context);
// GradientBoosting*: scaled trees on top of a constant. Refused: an init estimator that is not one.
Result<DescriptionParts> describe_sklearn_boosting(const Record& record, DescribeContext& context);
// HistGradientBoosting*: float64 inputs, `<=`, categories.
Result<DescriptionParts> describe_sklearn_histogram(const Record& record, DescribeContext& context);
// Anything whose answer is its coef_ and intercept_, and logistic regression.
Result<DescriptionParts> describe_sklearn_linear(const Record& record, DescribeContext& context);
// IsolationForest: raw scores are sums of path lengths, values are score_samples.
Result<DescriptionParts> describe_sklearn_isolation(const Record& record, DescribeContext& context);
// AdaBoost*, Bagging* and Voting* over anything native: over single decision trees one forest, else
// an ensemble.
Result<DescriptionParts> describe_sklearn_adaboost_classifier(const Record& record,
                                                              DescribeContext& context);
Result<DescriptionParts> describe_sklearn_adaboost_regressor(const Record& record,
                                                             DescribeContext& context);
Result<DescriptionParts> describe_sklearn_bagging_classifier(const Record& record,
                                                             DescribeContext& context);
Result<DescriptionParts> describe_sklearn_bagging_regressor(const Record& record,
                                                            DescribeContext& context);
Result<DescriptionParts> describe_sklearn_voting_classifier(const Record& record,
                                                            DescribeContext& context);
Result<DescriptionParts> describe_sklearn_voting_regressor(const Record& record,
                                                           DescribeContext& context);
// Searches (the best estimator), FrozenEstimator and SelfTrainingClassifier: what they hold
// answers.
Result<DescriptionParts> describe_sklearn_wrapped(const Record& record, DescribeContext& context);
// The estimator that answers for such a one; nullptr where the record is no such, or holds none.
const Record* estimator_within(const Record& record);
// The mean of several models' probabilities or values, or their majority, as Voting* has it.
struct FoldRule {
  bool votes = false;            // of classifiers the majority, though they have probabilities
  bool weighted = false;         // Member::weight was given
  bool columns_by_name = false;  // members may have columns of their own, found by their names
};
Result<DescriptionParts> describe_folds(std::vector<Member> members, FoldRule rule = {});
// CalibratedClassifierCV: sigmoid, isotonic, temperature.
Result<DescriptionParts> describe_sklearn_calibrated(const Record& record,
                                                     DescribeContext& context);
// StackingClassifier, StackingRegressor.
Result<DescriptionParts> describe_sklearn_stacking(const Record& record, DescribeContext& context);
Result<DescriptionParts> describe_sklearn_one_vs_rest(const Record& record,
                                                      DescribeContext& context);
Result<DescriptionParts> describe_sklearn_one_vs_one(const Record& record,
                                                     DescribeContext& context);
Result<DescriptionParts> describe_sklearn_output_code(const Record& record,
                                                      DescribeContext& context);
// TransformedTargetRegressor with numpy's named functions or a StandardScaler.
Result<DescriptionParts> describe_sklearn_transformed_target(const Record& record,
                                                             DescribeContext& context);
// FixedThresholdClassifier, TunedThresholdClassifierCV.
Result<DescriptionParts> describe_sklearn_threshold(const Record& record, DescribeContext& context);
Result<DescriptionParts> describe_sklearn_multi_output_classifier(const Record& record,
                                                                  DescribeContext& context);
Result<DescriptionParts> describe_sklearn_multi_output_regressor(const Record& record,
                                                                 DescribeContext& context);
Result<DescriptionParts> describe_sklearn_classifier_chain(const Record& record,
                                                           DescribeContext& context);
Result<DescriptionParts> describe_sklearn_regressor_chain(const Record& record,
                                                          DescribeContext& context);

// Pipeline, whose steps before the model pass through or choose columns.
Result<DescriptionParts> describe_sklearn_pipeline(const Record& record, DescribeContext& context);

}  // namespace spinney::load
