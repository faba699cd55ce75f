#include "spinney/request/pack_rows.h"

#include <cstring>

namespace spinney::request {

Rows pack_rows(const Rows& given, char* to) noexcept {
  const size_t element = size_of(given.type);
  const size_t row_bytes = given.width * element;
  const Rows packed{to,
                    given.type,
                    given.count,
                    given.width,
                    static_cast<ptrdiff_t>(row_bytes),
                    static_cast<ptrdiff_t>(element)};
  if (row_bytes == 0 || given.count == 0) return packed;  // of which there may be any number
  if (given.packed_columns() && given.row_stride == packed.row_stride) {
    std::memcpy(to, given.data, row_bytes * given.count);
    return packed;
  }
  for (size_t r = 0; r < given.count; ++r) {
    const char* from = given.row(r);
    if (given.packed_columns()) {
      std::memcpy(to, from, row_bytes);
      to += row_bytes;
      continue;
    }
    for (size_t c = 0; c < given.width; ++c, from += given.column_stride, to += element)
      std::memcpy(to, from, element);
  }
  return packed;
}

}  // namespace spinney::request
