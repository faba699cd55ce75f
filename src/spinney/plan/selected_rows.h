// Rows as one member of an ensemble sees them: some of the columns, in its own order.
#pragma once

#include <span>
#include <vector>

#include "spinney/model/rows.h"
#include "spinney/plan/stored_copy.h"

namespace spinney::plan {

class SelectedRows {
 public:
  // columns empty: all of them, in order. `entries`: Rows::stored is asked for too.
  SelectedRows(const Rows& rows, std::span<const uint32_t> columns, bool entries);
  const Rows& view() const { return view_; }

 private:
  void select_stored(const Rows& rows, std::span<const uint32_t> columns);

  Rows view_;
  std::vector<double> copy_;  // eight-byte aligned storage, used where no strided view will do
  StoredCopy stored_;
};

}  // namespace spinney::plan
