// What reached leaves are worth, and how it is added to rows' scores.
#pragma once

#include <cstdint>

#include "spinney/kernel/forest/evaluator.h"
#include "spinney/kernel/forest/walk/layout.h"

namespace spinney::kernel::walk {

// Rows whose leaves are being added: `rows` is the whole call, this part starts at row `first`.
struct Part {
  const Rows* rows;
  size_t first;
  size_t count;
};

// Adds tree t's leaves at[0..count) to the scores of the part's rows.
template <typename Packed>
void add_leaves(const Forest& forest, const Layout<Packed>& layout, size_t t, const uint32_t* at,
                const Part& part, Scores scores);

// Adds the leaves at[0..n) that one row reached in trees t, t + 1, ..., in that order.
template <typename Packed>
void add_trees(const Forest& forest, const Layout<Packed>& layout, size_t t, size_t n,
               const uint32_t* at, const Part& part, Scores scores);

}  // namespace spinney::kernel::walk
