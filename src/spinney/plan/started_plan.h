// A plan whose scores begin, row by row, with numbers of the caller's: XGBoost's base margins,
// which stand in place of the model's base, or LightGBM's initial scores, which are added behind
// the sum.
#pragma once

#include "spinney/plan/plan.h"

namespace spinney::plan {

enum class Start { kInPlaceOfBase, kBehindTheSum };

// numbers: model.n_outputs() of score_type() a row, for the rows that score() is called with one
// after the other; they must outlive the plan, which serves one such sequence of calls.
// kUnsupported for a model whose sum cannot begin elsewhere.
Result<std::shared_ptr<const Plan>> make_started_plan(std::shared_ptr<const Plan> plan,
                                                      const Description& model, Start start,
                                                      const void* numbers);

}  // namespace spinney::plan
