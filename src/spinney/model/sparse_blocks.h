// SparseBlocks: walks over sparse rows as dense blocks of bounded size, so that wide sparse input
// never becomes one huge dense matrix. After a block is used only the cells that it wrote are
// cleared: a row costs its entries, not its width.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/rows.h"

namespace spinney {

class SparseBlocks {
 public:
  static constexpr size_t kBytesMax = size_t{4} << 20;

  // Checks row_begin as a whole; columns are checked when their row's turn comes. Absent entries
  // become NaN if absent_is_missing, else 0. Blocks have at least one row and about bytes_max.
  // first_row: the number of the first row in messages. missing: what counts as missing besides NaN
  // where absent entries do.
  static Result<SparseBlocks> make(const SparseRows& rows, bool absent_is_missing,
                                   size_t bytes_max = kBytesMax, size_t first_row = 0,
                                   double missing = std::numeric_limits<double>::quiet_NaN());
  // Blocks without cells, for those who read Rows::stored alone: their data is null, and rows may
  // be as wide as they like.
  static Result<SparseBlocks> without_cells(const SparseRows& rows, size_t first_row = 0);

  // The next rows as a block that lives until the next call; count 0 at the end. Of entries that
  // name a column twice the last one holds, as in the training libraries' own readers; Rows::stored
  // has both. Where absent entries are missing, one that is missing itself hides none before it:
  // XGBoost leaves those out as it reads.
  // kInvalidArgument for a column out of range.
  Result<Rows> next();

 private:
  SparseBlocks(const SparseRows& rows, bool absent_is_missing, size_t block_rows, size_t first_row,
               double missing);
  template <typename Number, typename Index>
  Result<Rows> fill();
  template <typename Number, typename Index>
  void clear();
  template <typename Index>
  Result<Rows> next_checked();

  SparseRows rows_;
  bool absent_is_missing_;
  size_t block_rows_;
  size_t first_row_;
  float missing_;
  bool has_cells_ = true;
  size_t first_ = 0;  // the rows of the block that was handed out last
  size_t in_block_ = 0;
  std::vector<double> cells_;  // of rows_.type, whatever the vector says
};

}  // namespace spinney
