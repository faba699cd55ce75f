// The binary classifiers (or regressors) that OneVsRest, OneVsOne and OutputCode are made of.
#pragma once

#include <vector>

#include "spinney/load/sklearn/wrappers.h"

namespace spinney::load {

Error of_estimator(const Record& record, size_t m, const Error& error);

struct Binaries {
  // Null where the training had a single class: scikit-learn's _ConstantPredictor says it always.
  std::vector<ModelPtr> models;
  std::vector<double> constants;  // as many; 0 where there is a model
  uint32_t n_features = 0;

  size_t size() const { return models.size(); }
  // A node with what scikit-learn's _predict_binary gives of the m-th.
  Result<BinaryScore> add_score(const Record& record, size_t m, GraphBuilder& builder) const;
};

// The list estimators_, and what the description has of the wrapper itself. Refuses a list of
// constants alone, which says nothing of the columns.
Result<Binaries> read_binaries(const Record& record, DescribeContext& context,
                               DescriptionParts& description);

}  // namespace spinney::load
