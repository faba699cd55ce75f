// Rows of any strides as one contiguous copy.
#pragma once

#include "spinney/model/rows.h"

namespace spinney::request {

// Writes rows.count * rows.width numbers to `to`, which must have room for them.
Rows pack_rows(const Rows& rows, char* to) noexcept;

}  // namespace spinney::request
