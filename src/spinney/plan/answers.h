// What a model answers to rows: its plan's raw scores taken through its link and decision. Shared
// by the public Model and by ensembles, whose members are models too.
#pragma once

#include "spinney/plan/plan.h"

namespace spinney::plan {

struct Answers {
  const Description& model;
  const Plan& plan;
  unsigned num_threads = 0;

  // rows x link::value_columns() of model.output.value_type.
  void values(const Rows& rows, void* out) const;
  // rows x link::probability_columns(), the same type. The model must have probabilities.
  void probabilities(const Rows& rows, void* out) const;
  // rows x targets, as link::decide() gives them. The decision must not be kValues.
  void classes(const Rows& rows, int32_t* out) const;
  // Those that are not null, from one pass over the trees: the bits that each has by itself. raw:
  // rows x n_outputs() of score_type().
  struct Several {
    void* values = nullptr;
    void* probabilities = nullptr;
    void* raw = nullptr;
    int32_t* classes = nullptr;
  };
  void several(const Rows& rows, const Several& out) const;
};

}  // namespace spinney::plan
