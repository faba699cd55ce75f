// Rows: a view of input rows as callers hold them, dense (any strides) or sparse (CSR).
//
// Nothing is copied to make one; kernels read straight from the caller's memory. NaN is the only
// missing value from here on: a library's own `missing=` number is replaced before kernels run.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace spinney {

enum class NumberType : uint8_t { kFloat32 = 0, kFloat64 = 1 };

inline size_t size_of(NumberType type) { return type == NumberType::kFloat32 ? 4 : 8; }

enum class IndexType : uint8_t { kInt32 = 0, kInt64 = 1 };

// Compressed sparse rows, checked when they are read (sparse_blocks.h). What an absent entry means
// (missing or zero) is the model's to say.
struct SparseRows {
  const void* values = nullptr;
  NumberType type = NumberType::kFloat32;
  size_t value_count = 0;           // entries of values and columns
  const void* row_begin = nullptr;  // count + 1 offsets into values and columns
  const void* columns = nullptr;
  IndexType index_type = IndexType::kInt64;  // of row_begin and columns
  size_t count = 0;
  size_t width = 0;

  int64_t index(const void* indices, size_t i) const {
    return index_type == IndexType::kInt32 ? static_cast<const int32_t*>(indices)[i]
                                           : static_cast<const int64_t*>(indices)[i];
  }
};

struct Rows {
  const void* data = nullptr;
  NumberType type = NumberType::kFloat32;
  size_t count = 0;             // rows
  size_t width = 0;             // columns
  ptrdiff_t row_stride = 0;     // bytes from a row to the next
  ptrdiff_t column_stride = 0;  // bytes from a column to the next
  // Where these are sparse rows spread out: the same rows as they were given, `first_stored` the
  // first of them, for those whose answer depends on the order of the entries. Of entries that name
  // a column twice the cells hold the last.
  const SparseRows* stored = nullptr;
  size_t first_stored = 0;

  const char* row(size_t r) const {
    return static_cast<const char*>(data) + static_cast<ptrdiff_t>(r) * row_stride;
  }
  // Rows [first, first + n) of this view.
  Rows slice(size_t first, size_t n) const {
    Rows part = *this;
    part.data = row(first);
    part.count = n;
    part.first_stored = first_stored + first;
    return part;
  }
  // Each row's columns lie side by side.
  bool packed_columns() const { return column_stride == static_cast<ptrdiff_t>(size_of(type)); }

  // Strided arrays need not be aligned, hence memcpy.
  double at(size_t r, size_t c) const {
    const char* p = row(r) + static_cast<ptrdiff_t>(c) * column_stride;
    if (type == NumberType::kFloat32) {
      float v;
      std::memcpy(&v, p, sizeof v);
      return v;
    }
    double v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
};

inline Rows dense_rows(const float* data, size_t count, size_t width) {
  return {data, NumberType::kFloat32, count, width, static_cast<ptrdiff_t>(width * 4), 4};
}
inline Rows dense_rows(const double* data, size_t count, size_t width) {
  return {data, NumberType::kFloat64, count, width, static_cast<ptrdiff_t>(width * 8), 8};
}

}  // namespace spinney
