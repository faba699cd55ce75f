// A plan for models whose trees test columns that are computed of a row's categories
// (Description::category_tables): a chunk of rows at a time is encoded.
#pragma once

#include <vector>

#include "spinney/plan/plan.h"

namespace spinney::plan {

// Rows as the trees have them. Holds its own copy.
class EncodedRows {
 public:
  EncodedRows(const Rows& rows, const CategoryTables& tables);
  const Rows& view() const { return view_; }

 private:
  std::vector<float> copy_;
  Rows view_;
};

// What `plan` does of rows that are encoded as `model`, which it runs, has it.
std::shared_ptr<const Plan> make_encoded_plan(std::shared_ptr<const Plan> plan,
                                              std::shared_ptr<const Description> model);

}  // namespace spinney::plan
