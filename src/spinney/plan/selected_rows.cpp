#include "spinney/plan/selected_rows.h"

#include "spinney/model/stored_entries.h"

namespace spinney::plan {
namespace {

// Columns a, a + d, a + 2d, ... can be seen through a stride; copies nothing.
bool evenly_spaced(std::span<const uint32_t> columns) {
  for (size_t i = 2; i < columns.size(); ++i)
    if (int64_t{columns[i]} - columns[i - 1] != int64_t{columns[1]} - columns[0]) return false;
  return true;
}

}  // namespace

SelectedRows::SelectedRows(const Rows& rows, std::span<const uint32_t> columns, bool entries)
    : view_(rows) {
  if (columns.empty()) return;
  view_.width = columns.size();
  view_.stored = nullptr;
  if (rows.stored && entries) select_stored(rows, columns);
  if (evenly_spaced(columns)) {
    view_.data = rows.row(0) + static_cast<ptrdiff_t>(columns[0]) * rows.column_stride;
    if (columns.size() > 1)
      view_.column_stride = (static_cast<ptrdiff_t>(columns[1]) - columns[0]) * rows.column_stride;
    return;
  }
  const size_t item = size_of(rows.type);
  copy_.resize((rows.count * columns.size() * item + 7) / 8);
  char* out = reinterpret_cast<char*>(copy_.data());
  for (size_t r = 0; r < rows.count; ++r)
    for (const uint32_t c : columns) {
      std::memcpy(out, rows.row(r) + static_cast<ptrdiff_t>(c) * rows.column_stride, item);
      out += item;
    }
  view_.data = copy_.data();
  view_.row_stride = static_cast<ptrdiff_t>(columns.size() * item);
  view_.column_stride = static_cast<ptrdiff_t>(item);
}

// The entries stay in the order in which the row stores them, as scipy's own selection leaves them,
// whatever the order of the columns.
void SelectedRows::select_stored(const Rows& rows, std::span<const uint32_t> columns) {
  std::vector<std::vector<uint32_t>> places(rows.width);
  for (size_t i = 0; i < columns.size(); ++i)
    places[columns[i]].push_back(static_cast<uint32_t>(i));
  for (size_t r = 0; r < rows.count; ++r) {
    for_each_stored(rows, r, [&](size_t column, double value) {
      for (const uint32_t place : places[column]) stored_.add(place, value);
    });
    stored_.end_row();
  }
  stored_.attach(view_);
}

}  // namespace spinney::plan
