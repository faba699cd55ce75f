// A plan for models whose library encodes numeric categories before its trees see them
// (Description::number_codes): a block of rows at a time is copied with codes in their place.
#pragma once

#include <vector>

#include "spinney/plan/plan.h"

namespace spinney::plan {

// Rows as float64 with every coded column encoded. Holds its own copy.
class CodedRows {
 public:
  CodedRows(const Rows& rows, const std::vector<NumberCodes>& codes);
  const Rows& view() const { return view_; }

 private:
  std::vector<double> copy_;
  Rows view_;
};

// `model` holds the codes and is what `plan` runs.
std::shared_ptr<const Plan> make_coded_plan(std::shared_ptr<const Plan> plan,
                                            std::shared_ptr<const Description> model);

}  // namespace spinney::plan
