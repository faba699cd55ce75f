#include "spinney/request/pack_rows.h"

namespace spinney::request {

void pack_strided(const Rows& rows, char* to) noexcept {
  const size_t element = size_of(rows.type);
  const size_t row_bytes = rows.width * element;
  for (size_t r = 0; r < rows.count; ++r) {
    const char* from = rows.row(r);
    if (rows.packed_columns()) {
      std::memcpy(to, from, row_bytes);
      to += row_bytes;
      continue;
    }
    for (size_t c = 0; c < rows.width; ++c, from += rows.column_stride, to += element)
      std::memcpy(to, from, element);
  }
}

}  // namespace spinney::request
