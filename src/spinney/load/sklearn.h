// scikit-learn's estimators as Descriptions; estimator.cpp lists the classes that each one takes.
#pragma once

#include "spinney/load/estimator.h"

namespace spinney::load {

// DecisionTree*, ExtraTree*: one tree; float32 inputs, `<=`.
Result<Description> describe_sklearn_tree(const Record& record, DescribeContext& context);
// RandomForest*, ExtraTrees*: the mean of trees, in float64 and tree order.
Result<Description> describe_sklearn_forest(const Record& record, DescribeContext& context);

}  // namespace spinney::load
