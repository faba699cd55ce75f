// The sums, votes and medians of CombineNode, over a block of rows.
#pragma once

#include <cstdint>
#include <vector>

#include "spinney/model/graph.h"
#include "spinney/model/rows.h"

namespace spinney::plan {

// Rows of combine.n_outputs numbers of combine.arithmetic.
struct CombinedRows {
  void* data = nullptr;
  size_t count = 0;
};

void clear(const CombineNode& combine, const CombinedRows& out);
void add_numbers(const CombineNode& combine, const CombinedPart& part, const Rows& numbers,
                 const CombinedRows& out);
void add_votes(const CombineNode& combine, const CombinedPart& part, const int32_t* classes,
               const CombinedRows& out);
void divide(const CombineNode& combine, const CombinedRows& out);
// values: those of each part.
void take_medians(const CombineNode& combine, const std::vector<Rows>& values,
                  const CombinedRows& out);

}  // namespace spinney::plan
