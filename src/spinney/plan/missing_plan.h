// A plan for models that take a number of the caller's (XGBoost's `missing=`) for a missing value:
// a block of rows at a time is copied with that number replaced by NaN, which kernels understand.
#pragma once

#include <vector>

#include "spinney/plan/plan.h"
#include "spinney/plan/stored_copy.h"

namespace spinney::plan {

// Rows with every value that rounds to the same float32 as `missing` replaced by NaN; XGBoost
// compares in that type. Holds its own copy.
class MarkedRows {
 public:
  MarkedRows(const Rows& rows, double missing);
  const Rows& view() const { return view_; }

 private:
  Rows view_;
  std::vector<double> copy_;  // eight-byte aligned storage of rows.type
  StoredCopy stored_;
};

std::shared_ptr<const Plan> make_missing_plan(std::shared_ptr<const Plan> plan, double missing,
                                              size_t n_outputs, NumberType score_type);

}  // namespace spinney::plan
