// Columns: what a forest's splits read, laid out for walking.
//
// A column is one input feature together with what happens to values that a split does not compare
// (or, for a categorical split, the side that each value takes), so that a split only ever asks
// whether its column's key is above its own. Features that no split reads have no column.
// Column 0 holds kMissingLeft for every row: leaves read it, so that they lead to themselves.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "spinney/base/seeded_hash.h"
#include "spinney/model/forest.h"
#include "spinney/model/rows.h"

namespace spinney::kernel::walk {

// Walks that are under way at once: of so many rows down one tree, or of one row down so many
// trees. Keys of a group of rows lie side by side: keys[column * kWalks + row].
inline constexpr size_t kWalks = 16;
inline constexpr unsigned kWalkBits = 4;

class Columns {
 public:
  // Reads forest's splits. The forest must outlive the columns.
  explicit Columns(const Forest& forest);

  size_t count() const { return columns_.size(); }
  // The column that a split reads.
  uint32_t of(const Node& split) const { return numbers_.at(identity(split)); }
  // The largest key that a split sends left.
  template <typename Key>
  Key last_left(const Node& split) const;

  // Writes the keys of n <= kWalks rows from row `first` on: keys[column * stride + i].
  template <typename Key>
  void fill(const Rows& rows, size_t first, size_t n, size_t stride, Key* keys) const;

  // Columns with a category set, or with a rule other than "NaN is missing": slower to fill.
  size_t special_count() const { return columns_.size() - first_special_; }
  size_t bytes() const { return columns_.capacity() * sizeof(Column); }
  // The most columns that finding one compares.
  size_t fullest_bucket() const;
  // Forgets which column a split reads, which only building a layout needs.
  void finish() { numbers_ = {}; }

 private:
  struct Column {
    uint32_t feature = 0;
    bool missing_left = false;
    bool categorical = false;
    MissingRule rule = MissingRule::kNan;
    Node split;  // categorical: any one of the splits that read this column
  };
  struct Identity {
    uint64_t feature_and_rule = 0;
    uint64_t set = 0;
    bool operator==(const Identity&) const = default;
  };
  struct IdentityHash {  // the file says which features and sets there are
    size_t operator()(const Identity& id) const { return seeded_hash(&id, sizeof id); }
  };
  static Identity identity(const Node& split);
  template <typename Key, typename Real>
  void fill_from(const Rows& rows, size_t first, size_t n, size_t stride, Key* keys) const;
  template <typename Key, typename Real>
  void fill_special(const Column& column, const char* from, ptrdiff_t step, size_t n,
                    Key* to) const;

  Forest forest_;
  std::vector<Column> columns_;
  size_t first_special_ = 1;
  std::unordered_map<Identity, uint32_t, IdentityHash> numbers_;
};

}  // namespace spinney::kernel::walk
