// A fitted estimator's record, as read_pickle() gives it, becomes a Description.
//
// One table (estimator.cpp) says which classes have a native reader; anything else is refused with
// its name and what to do instead.
#pragma once

#include <string>

#include "spinney/base/result.h"
#include "spinney/load/choice.h"
#include "spinney/load/pickle/pickle.h"
#include "spinney/load/pickle/record.h"
#include "spinney/model/description.h"

namespace spinney::load {

inline constexpr unsigned kEstimatorDepthMax = 8;  // estimators within estimators

// How deep members may still lie within each other; what they may take, the budget in use says.
struct DescribeContext {
  unsigned depth_left = kEstimatorDepthMax;
  Choice choice;  // of the object in the file; members of ensembles have none
};

// format: what the source's is called; empty: pickle or joblib, as the pickle has it.
Result<Description> describe_pickle(const Pickle& pickle, const Choice& choice = {},
                                    const std::string& format = {});
// For members of ensembles.
Result<DescriptionParts> describe_estimator(const Value& value, DescribeContext& context);

using Describer = Result<DescriptionParts> (*)(const Record& record, DescribeContext& context);

}  // namespace spinney::load
