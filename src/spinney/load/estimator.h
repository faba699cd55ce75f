// A fitted estimator's record, as read_pickle() gives it, becomes a Description.
//
// One table (estimator.cpp) says which classes have a native reader; anything else is refused with
// its name and what to do instead.
#pragma once

#include "spinney/base/result.h"
#include "spinney/load/pickle.h"
#include "spinney/load/record.h"
#include "spinney/model/description.h"

namespace spinney::load {

// Bounds what one file may be blown up to: a pickle can name the same member any number of times.
struct DescribeContext {
  size_t array_bytes_left = 0;  // arrays still to be converted; the file holds no more than this
  unsigned depth_left = 8;      // ensembles within ensembles
  // Takes `bytes` off array_bytes_left, or says that `what` is shared too often.
  Status spend(size_t bytes, const std::string& what);
};

Result<Description> describe_pickle(const Pickle& pickle);
// For members of ensembles.
Result<Description> describe_estimator(const Value& value, DescribeContext& context);

using Describer = Result<Description> (*)(const Record& record, DescribeContext& context);

}  // namespace spinney::load
