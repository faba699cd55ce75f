// A plan for models whose library changes values before its trees see them: a chunk of rows at a
// time is copied with the others in their place. Either a number of the caller's stands for a
// missing value (XGBoost's `missing=`), or numeric categories are encoded
// (Description::number_codes).
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

// Rows as float64 with every coded column encoded. Holds its own copy.
class CodedRows {
 public:
  CodedRows(const Rows& rows, const std::vector<NumberCodes>& codes);
  const Rows& view() const { return view_; }

 private:
  std::vector<double> copy_;
  Rows view_;
};

// What `plan` does of rows in which `missing` is marked.
std::shared_ptr<const Plan> make_missing_plan(std::shared_ptr<const Plan> plan, double missing,
                                              const Description& model);
// And of rows that are encoded as `model`, which `plan` runs, has it.
std::shared_ptr<const Plan> make_coded_plan(std::shared_ptr<const Plan> plan,
                                            std::shared_ptr<const Description> model);

}  // namespace spinney::plan
