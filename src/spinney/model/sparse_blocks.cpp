#include "spinney/model/sparse_blocks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "spinney/base/checked_size.h"
#include "spinney/model/stored_entries.h"

namespace spinney {
namespace {

using stored::read_once;

// A model may claim to have billions of columns in a file of a few bytes.
constexpr size_t kRowBytesMax = size_t{128} << 20;
constexpr size_t kRowsWithoutCells = 16384;

Error out_of_range(size_t row, uint64_t column, size_t width) {
  return invalid_argument("sparse rows: row " + std::to_string(row) + " has an entry in column " +
                          std::to_string(static_cast<int64_t>(column)) + " of " +
                          std::to_string(width));
}

template <typename Number>
Number absent(bool is_missing) {
  return is_missing ? std::numeric_limits<Number>::quiet_NaN() : Number{0};
}

template <typename Number>
bool is_missing(Number value, float missing) {
  return std::isnan(value) || static_cast<float>(value) == missing;
}

// Looked for by itself, in vectors, so that rows without any are written without a look at each.
template <typename Number>
bool any_missing(const Number* from, const Number* end, float missing) {
  unsigned found = 0;
  if (std::isnan(missing))
    for (; from != end; ++from) found |= static_cast<unsigned>(*from != *from);
  for (; from != end; ++from)
    found |= static_cast<unsigned>(*from != *from) |
             static_cast<unsigned>(static_cast<float>(*from) == missing);
  return found != 0;
}

}  // namespace

SparseBlocks::SparseBlocks(const SparseRows& rows, bool absent_is_missing, size_t block_rows,
                           size_t first_row, double missing)
    : rows_(rows),
      absent_is_missing_(absent_is_missing),
      block_rows_(block_rows),
      first_row_(first_row),
      missing_(static_cast<float>(missing)) {
  const size_t n = block_rows * rows.width;
  cells_.resize((n * size_of(rows.type) + 7) / 8);
  if (rows.type == NumberType::kFloat32)
    std::fill_n(reinterpret_cast<float*>(cells_.data()), n, absent<float>(absent_is_missing));
  else
    std::fill_n(cells_.data(), n, absent<double>(absent_is_missing));
}

namespace {

Status check_row_begin(const SparseRows& rows, size_t first_row) {
  int64_t previous = 0;
  for (size_t r = 0; r <= rows.count; ++r) {
    const int64_t begin = rows.index(rows.row_begin, r);
    if (begin < previous || static_cast<uint64_t>(begin) > rows.value_count)
      return invalid_argument("sparse rows: row " + std::to_string(first_row + r) +
                              " begins at entry " + std::to_string(begin) + ", after " +
                              std::to_string(previous) + " and of " +
                              std::to_string(rows.value_count));
    previous = begin;
  }
  return {};
}

}  // namespace

Result<SparseBlocks> SparseBlocks::without_cells(const SparseRows& rows, size_t first_row) {
  SPINNEY_TRY(check_row_begin(rows, first_row));
  SparseBlocks blocks(rows, false, 0, first_row, std::numeric_limits<double>::quiet_NaN());
  blocks.has_cells_ = false;
  blocks.block_rows_ = std::min(kRowsWithoutCells, rows.count);
  return blocks;
}

Result<SparseBlocks> SparseBlocks::make(const SparseRows& rows, bool absent_is_missing,
                                        size_t bytes_max, size_t first_row, double missing) {
  SPINNEY_TRY(check_row_begin(rows, first_row));
  const size_t row_bytes =
      std::max<size_t>(1, checked_product(rows.width, size_of(rows.type)).value_or(kSizeMax));
  if (row_bytes > kRowBytesMax)
    return too_large("sparse rows: one row of " + std::to_string(rows.width) +
                     " columns takes more than " + std::to_string(kRowBytesMax) +
                     " bytes when spread out, which is the limit");
  const size_t block_rows = std::max<size_t>(1, bytes_max / row_bytes);
  return SparseBlocks(rows, absent_is_missing, std::min(block_rows, rows.count), first_row,
                      missing);
}

template <typename Number, typename Index>
void SparseBlocks::clear() {
  const auto* begin = static_cast<const Index*>(rows_.row_begin) + first_;
  const auto* columns = static_cast<const Index*>(rows_.columns);
  auto* cells = reinterpret_cast<Number*>(cells_.data());
  const Number none = absent<Number>(absent_is_missing_);
  for (size_t r = 0; r < in_block_; ++r) {
    const uint64_t end = std::min<uint64_t>(read_once(begin + r + 1), rows_.value_count);
    for (uint64_t i = read_once(begin + r); i < end; ++i)
      if (const uint64_t column = read_once(columns + i); column < rows_.width)
        cells[r * rows_.width + column] = none;
  }
}

template <typename Number, typename Index>
Result<Rows> SparseBlocks::fill() {
  clear<Number, Index>();
  first_ += in_block_;
  in_block_ = std::min(block_rows_, rows_.count - first_);
  const auto* begin = static_cast<const Index*>(rows_.row_begin) + first_;
  const auto* columns = static_cast<const Index*>(rows_.columns);
  const auto* values = static_cast<const Number*>(rows_.values);
  auto* cells = reinterpret_cast<Number*>(cells_.data());
  for (size_t r = 0; r < in_block_; ++r) {
    const uint64_t end = std::min<uint64_t>(read_once(begin + r + 1), rows_.value_count);
    const uint64_t start = std::min(read_once(begin + r), end);
    const bool some_missing =
        absent_is_missing_ && any_missing(values + start, values + end, missing_);
    for (uint64_t i = start; i < end; ++i) {
      const uint64_t column = read_once(columns + i);
      if (column >= rows_.width) {
        in_block_ = 0;
        return out_of_range(first_row_ + first_ + r, column, rows_.width);
      }
      if (some_missing && is_missing(values[i], missing_)) continue;
      cells[r * rows_.width + column] = values[i];
    }
  }
  return Rows{cells_.data(),
              rows_.type,
              in_block_,
              rows_.width,
              static_cast<ptrdiff_t>(rows_.width * sizeof(Number)),
              static_cast<ptrdiff_t>(sizeof(Number)),
              &rows_,
              first_};
}

template <typename Index>
Result<Rows> SparseBlocks::next_checked() {
  first_ += in_block_;
  in_block_ = std::min(block_rows_, rows_.count - first_);
  const auto* begin = static_cast<const Index*>(rows_.row_begin) + first_;
  const auto* columns = static_cast<const Index*>(rows_.columns);
  for (size_t r = 0; r < in_block_; ++r) {
    const uint64_t end = std::min<uint64_t>(read_once(begin + r + 1), rows_.value_count);
    for (uint64_t i = read_once(begin + r); i < end; ++i)
      if (const uint64_t column = read_once(columns + i); column >= rows_.width) {
        const size_t row = first_row_ + first_ + r;
        in_block_ = 0;
        return out_of_range(row, column, rows_.width);
      }
  }
  return Rows{nullptr, rows_.type, in_block_, rows_.width, 0, 0, &rows_, first_};
}

Result<Rows> SparseBlocks::next() {
  if (!has_cells_)
    return rows_.index_type == IndexType::kInt32 ? next_checked<int32_t>()
                                                 : next_checked<int64_t>();
  if (rows_.type == NumberType::kFloat32)
    return rows_.index_type == IndexType::kInt32 ? fill<float, int32_t>() : fill<float, int64_t>();
  return rows_.index_type == IndexType::kInt32 ? fill<double, int32_t>() : fill<double, int64_t>();
}

}  // namespace spinney
