#include "spinney/backend/backend.h"

namespace spinney::backend {

std::vector<size_t> Backend::warm_up_rows(size_t rows_max) const {
  std::vector<size_t> rows;
  for (size_t n = 1; n < rows_max; n *= 2) rows.push_back(n);
  rows.push_back(rows_max);
  return rows;
}

}  // namespace spinney::backend
