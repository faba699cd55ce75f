// Rows as one member of an ensemble sees them: some of the columns, in its own order.
#pragma once

#include <span>
#include <vector>

#include "spinney/model/rows.h"

namespace spinney::plan {

class SelectedRows {
 public:
  // columns empty: all of them, in order.
  SelectedRows(const Rows& rows, std::span<const uint32_t> columns);
  const Rows& view() const { return view_; }

 private:
  Rows view_;
  std::vector<double> copy_;  // eight-byte aligned storage, used where no strided view will do
};

}  // namespace spinney::plan
