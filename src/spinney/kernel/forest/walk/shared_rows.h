// SharedRows: rows of leaf values, each different one kept once.
//
// A classifier's leaves say what share of its training rows fell into each class, and most of a
// deep forest's leaves are pure or hold a few rows: of 424,848 leaves of a forest of 300 trees,
// 17,440 differ.
#pragma once

#include <cstdint>
#include <vector>

#include "spinney/model/forest.h"

namespace spinney::kernel::walk {

struct SharedRows {
  std::vector<double> values;    // different rows, in the order in which they first appear
  std::vector<uint32_t> places;  // of each of the forest's leaf rows among them; empty: not shared
  size_t comparisons = 0;        // of two rows, made while looking for equal ones
};

// Rows are the same where their bits are. Shares nothing where that would not save half.
SharedRows share_rows(const Forest& forest);

}  // namespace spinney::kernel::walk
