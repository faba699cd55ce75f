// What scikit-learn's wrappers have in common: the models inside them, what of their answers is
// looked at, and how a whole model's answers become the wrapper's own.
#pragma once

#include <memory>
#include <string>

#include "spinney/load/estimator.h"
#include "spinney/model/graph.h"

namespace spinney::load {

using ModelPtr = std::shared_ptr<const Description>;

// The estimator in `value`, read as a model; errors begin with `what`.
Result<ModelPtr> read_model(const Value& value, DescribeContext& context, const std::string& what);
// Those in the list `name`; at least one, and all of as many columns.
Result<std::vector<ModelPtr>> read_models(const Record& record, std::string_view name,
                                          DescribeContext& context);

bool is_classifier(const Description& model);
// Whether a classifier has a decision_function, which its raw scores then are. kUnsupported where
// it has one that is something else.
Result<bool> has_decision_function(const Description& model);

// A node for what the method ("predict", "predict_proba", "decision_function") gives as columns of
// numbers: of two classes' probabilities the second alone, of classes their labels.
Result<uint32_t> add_method(std::string_view method, uint32_t from, const ModelPtr& model,
                            GraphBuilder& builder);
// A node for the score of one classifier among several: its decision_function, or else the
// probability of the second of its two classes; of a regressor, its value.
struct BinaryScore {
  uint32_t node = 0;
  double threshold = 0;  // what a score above it stands for the second class by
};
Result<BinaryScore> add_binary_score(const ModelPtr& model, GraphBuilder& builder);

// Makes the answers of `model` to the node's columns the description's own: scores, values,
// classes and what it does with them.
Status answer_by(const ModelPtr& model, uint32_t from, GraphBuilder builder,
                 DescriptionParts& description);

}  // namespace spinney::load
