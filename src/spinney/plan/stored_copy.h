// StoredCopy: a changed copy of sparse rows' entries, for views with other columns or values.
#pragma once

#include <vector>

#include "spinney/model/rows.h"

namespace spinney::plan {

class StoredCopy {
 public:
  StoredCopy() = default;
  StoredCopy(const StoredCopy&) = delete;
  StoredCopy& operator=(const StoredCopy&) = delete;

  void add(size_t column, double value) {
    columns_.push_back(static_cast<int64_t>(column));
    values_.push_back(value);
  }
  void end_row() {
    if (row_begin_.empty()) row_begin_.push_back(0);
    row_begin_.push_back(static_cast<int64_t>(columns_.size()));
  }
  // After the last row: makes these the view's entries. The view must not outlive this.
  void attach(Rows& view) {
    sparse_ = {values_.data(),  NumberType::kFloat64, values_.size(), row_begin_.data(),
               columns_.data(), IndexType::kInt64,    view.count,     view.width};
    view.stored = &sparse_;
    view.first_stored = 0;
  }

 private:
  std::vector<int64_t> row_begin_;
  std::vector<int64_t> columns_;
  std::vector<double> values_;
  SparseRows sparse_;
};

}  // namespace spinney::plan
