// Rows whose numbers lie side by side: used in place if they already do, else copied, some at a
// time.
#pragma once

#include <algorithm>
#include <vector>

#include "spinney/kernel/linear/dots.h"
#include "spinney/model/rows.h"

namespace spinney::plan {

template <typename Number>
bool lie_packed(const Rows& rows) {
  constexpr auto kItem = static_cast<ptrdiff_t>(sizeof(Number));
  return rows.packed_columns() && rows.row_stride % kItem == 0 &&
         reinterpret_cast<uintptr_t>(rows.data) % alignof(Number) == 0;
}

// Copies column by column: rows that are not packed are mostly stored that way.
template <typename Number>
void copy_packed(const Rows& rows, Number* out) {
  for (size_t c = 0; c < rows.width; ++c)
    for (size_t r = 0; r < rows.count; ++r) {
      const char* cell = rows.row(r) + static_cast<ptrdiff_t>(c) * rows.column_stride;
      std::memcpy(out + r * rows.width + c, cell, sizeof(Number));
    }
}

// Calls use(packed, first) over all of the rows, which are of type Number.
template <typename Number, typename Use>
void in_packed_blocks(const Rows& rows, Use&& use) {
  if (lie_packed<Number>(rows)) {
    const auto stride = rows.row_stride / static_cast<ptrdiff_t>(sizeof(Number));
    use(kernel::PackedRows<Number>{static_cast<const Number*>(rows.data), stride, rows.count},
        size_t{0});
    return;
  }
  constexpr size_t kNear = 2048;
  Number near[kNear];
  std::vector<Number> far(rows.width > kNear ? rows.width : 0);
  Number* copy = far.empty() ? near : far.data();
  const size_t at_once = std::max<size_t>(1, kNear / std::max<size_t>(1, rows.width));
  for (size_t first = 0; first < rows.count; first += at_once) {
    const Rows block = rows.slice(first, std::min(at_once, rows.count - first));
    copy_packed(block, copy);
    use(kernel::PackedRows<Number>{copy, static_cast<ptrdiff_t>(rows.width), block.count}, first);
  }
}

}  // namespace spinney::plan
