// Rows of any strides as one contiguous copy.
#pragma once

#include <cstring>

#include "spinney/model/rows.h"

namespace spinney::request {

// What pack_rows() does with rows that do not lie packed already.
void pack_strided(const Rows& rows, char* to) noexcept;

// Writes rows.count * rows.width numbers to `to`, which must have room for them, and what they are
// to `packed`, field by field: that a caller reads them at once must cost nothing.
inline void pack_rows(const Rows& rows, char* to, Rows& packed) noexcept {
  const size_t element = size_of(rows.type);
  const size_t row_bytes = rows.width * element;
  packed.data = to;
  packed.type = rows.type;
  packed.count = rows.count;
  packed.width = rows.width;
  packed.row_stride = static_cast<ptrdiff_t>(row_bytes);
  packed.column_stride = static_cast<ptrdiff_t>(element);
  packed.stored = nullptr;
  packed.first_stored = 0;
  if (row_bytes == 0 || rows.count == 0) return;  // of which there may be any number
  const bool follow = rows.count == 1 || rows.row_stride == static_cast<ptrdiff_t>(row_bytes);
  if (follow && rows.packed_columns())
    std::memcpy(to, rows.data, row_bytes * rows.count);
  else
    pack_strided(rows, to);
}
inline Rows pack_rows(const Rows& rows, char* to) noexcept {
  Rows packed;
  pack_rows(rows, to, packed);
  return packed;
}

}  // namespace spinney::request
