// scikit-learn's estimators as Descriptions; estimator.cpp lists the classes that each one takes.
#pragma once

#include "spinney/load/estimator.h"

namespace spinney::load {

// DecisionTree*, ExtraTree*: one tree; float32 inputs, `<=`.
Result<Description> describe_sklearn_tree(const Record& record, DescribeContext& context);
// RandomForest*, ExtraTrees*: the mean of trees, in float64 and tree order.
Result<Description> describe_sklearn_forest(const Record& record, DescribeContext& context);
// GradientBoosting*: scaled trees on top of a constant. Refused: an init estimator that is not one.
Result<Description> describe_sklearn_boosting(const Record& record, DescribeContext& context);
// HistGradientBoosting*: float64 inputs, `<=`, categories.
Result<Description> describe_sklearn_histogram(const Record& record, DescribeContext& context);
// Anything whose answer is its coef_ and intercept_, and logistic regression.
Result<Description> describe_sklearn_linear(const Record& record, DescribeContext& context);

}  // namespace spinney::load
