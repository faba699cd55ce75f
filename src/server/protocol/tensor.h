// Elements of a tensor, from JSON or from bytes, to rows of numbers.
#pragma once

#include <cstddef>
#include <string_view>

#include "server/protocol/json_reader.h"
#include "server/repository/datatype.h"
#include "spinney/base/result.h"
#include "spinney/model/rows.h"

namespace spinney::server::protocol {

// Where a tensor of rows x columns goes within rows that may be wider.
struct Target {
  char* data = nullptr;  // of the first row's first column
  NumberType type = NumberType::kFloat32;
  size_t row_bytes = 0;
  size_t rows = 0, columns = 0;
};

// The array that is next, flat or nested as the shape says. False with the reader's fault set.
bool read_elements(JsonReader& json, repository::Datatype type, bool is_matrix,
                   const Target& target);
// Little-endian elements, row after row; there are as many as the target has.
void read_elements(const char* elements, repository::Datatype type, const Target& target);

}  // namespace spinney::server::protocol
