// The entries of sparse rows in the order in which they are stored, for sums that depend on it.
#pragma once

#include <algorithm>

#include "spinney/model/rows.h"

namespace spinney {

class Description;

// Whether the model looks at sparse rows cell by cell: a forest, or an ensemble with one. Whether
// it sums up entries is Description::sums_stored_entries(); an ensemble may do both.
bool reads_cells(const Description& model);

namespace stored {

// The caller's arrays may change meanwhile, in another thread: an index is read once, and checked
// after it was read.
template <typename Index>
uint64_t read_once(const Index* from) {
  return static_cast<uint64_t>(__atomic_load_n(from, __ATOMIC_RELAXED));
}

template <typename Number, typename Index, typename Visit>
void visit_row(const SparseRows& rows, size_t r, Visit& visit) {
  const auto* begin = static_cast<const Index*>(rows.row_begin) + r;
  const auto* columns = static_cast<const Index*>(rows.columns);
  const auto* values = static_cast<const Number*>(rows.values);
  const uint64_t end = std::min<uint64_t>(read_once(begin + 1), rows.value_count);
  for (uint64_t i = read_once(begin); i < end; ++i)
    if (const uint64_t column = read_once(columns + i); column < rows.width)
      visit(static_cast<size_t>(column), static_cast<double>(values[i]));
}

}  // namespace stored

// Calls visit(column, value) for each entry of row r of rows.stored, which is there.
template <typename Visit>
void for_each_stored(const Rows& rows, size_t r, Visit&& visit) {
  const SparseRows& sparse = *rows.stored;
  const size_t row = rows.first_stored + r;
  if (sparse.type == NumberType::kFloat32) {
    if (sparse.index_type == IndexType::kInt32)
      stored::visit_row<float, int32_t>(sparse, row, visit);
    else
      stored::visit_row<float, int64_t>(sparse, row, visit);
  } else if (sparse.index_type == IndexType::kInt32) {
    stored::visit_row<double, int32_t>(sparse, row, visit);
  } else {
    stored::visit_row<double, int64_t>(sparse, row, visit);
  }
}

}  // namespace spinney
