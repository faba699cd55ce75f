// Ranker: replaces each value of a row by its rank among the forest's thresholds, one byte.
//
// A split only asks on which side of a threshold a value lies. With r the number of thresholds
// whose right side holds the value, "goes right at the i-th smallest threshold" is exactly r > i,
// so that every comparison of the forest becomes one of unsigned bytes:
//
//   a node's row goes right  <=>  columns[test.column] >= test.rank,   1 <= test.rank <= 255
//
// A column is what nodes read: a feature under one rule for missing values and one default side.
// NaN ranks 0 (left everywhere) or 255 (right everywhere). A feature with more than 255 thresholds
// takes several columns, each a saturated slice of its ranks. A category set is a 0/255 column.
//
// Refuses forests with a NaN threshold (no order) and those beyond kMaxColumns.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spinney/base/aligned.h"
#include "spinney/base/result.h"
#include "spinney/model/forest.h"
#include "spinney/model/rows.h"

namespace spinney::rank {

// A block: rows whose ranks lie column by column, one vector of 64 bytes or two of 32 each. Kernels
// and threads are given whole blocks where they can.
inline constexpr size_t kBlockRows = 64;
inline constexpr size_t kMaxColumns = 8191;
inline constexpr size_t kSlice = 255;  // thresholds per column
// A value is compared with this many thresholds at once, from the first one of its bucket on.
inline constexpr size_t kWindow = 16;

struct NodeTest {
  uint16_t column = 0;
  uint8_t rank = 0;  // >= 1
};

// Where a source's ranks go: column i holds clamp(rank - 255 * i, 0, 255), or missing_rank.
struct Column {
  uint32_t slice = 0;
  uint8_t missing_rank = 0;
  // log2 of the leaves of its search tree over float32 thresholds, 4 to 8.
  uint8_t search_depth = 4;
};

// A column's slice of float32 thresholds as a search tree in heap order, root at 1, of depth
// search_depth; ends of the path that x takes are ranks: h = 2 * h + passes(x, tree[h]). Places
// beyond the last threshold hold NaN, which nothing passes.
inline constexpr size_t kSearchTree = 256;

// One feature under one rule for missing values, with all its distinct thresholds.
struct Source {
  uint32_t feature = 0;
  MissingRule missing = MissingRule::kNan;
  uint32_t first_column = 0;
  uint32_t column_count = 0;
  uint32_t threshold_count = 0;
};

// A category set read from one feature.
struct CategorySource {
  uint32_t feature = 0;
  uint32_t column = 0;
  uint8_t missing_rank = 0;
  CategorySet set;
};

// The tables that find ranks of values of type Real, in arrays over the sources padded to whole
// vectors of 16. A monotone map puts a value into one of a source's buckets, `base` says where the
// thresholds of that bucket begin, and at most kWindow thresholds share one:
//
//   bucket = min(max(fma(m, scale, offset), 0), last_bucket), truncated; m = x or, where thresholds
//   are spread over many magnitudes, x's bits as an ordered integer
//   rank   = base[first_bucket + bucket] - first_threshold + thresholds of the window passed by x
//
// Each step is monotone in x as the hardware rounds it, which is all that exactness needs.
template <typename Real>
struct Tables {
  AlignedVector<float> scale, offset, last_bucket;
  AlignedVector<uint32_t> first_bucket;     // into base
  AlignedVector<uint32_t> first_threshold;  // into thresholds
  std::vector<uint16_t> by_bits;            // one bit per source, 16 sources a word
  std::vector<uint32_t> base;               // into thresholds
  std::vector<Real> thresholds;             // each source's are followed by kWindow NaN
  std::vector<uint32_t> searched;           // sources whose buckets overflow: found by bisection
};

class ThresholdSet;

class Ranker {
 public:
  static Result<std::shared_ptr<const Ranker>> make(const Forest& forest);

  size_t n_columns() const { return columns_.size() + category_sources_.size(); }
  NodeTest test(const Node& node) const;
  size_t bytes() const;
  // Estimated time of ranking one row.
  double row_cost_ns() const { return 1.5 * static_cast<double>(sources_.size()) + 6; }

  // The ranks of row r, by plain code: n_columns() bytes. The oracle of the vector versions.
  void rank_row(const Rows& rows, size_t r, uint8_t* ranks) const;

  std::span<const Source> sources() const { return sources_; }
  std::span<const Column> columns() const { return columns_; }
  // The columns' missing_rank, padded to a multiple of 64 bytes.
  const uint8_t* missing_ranks() const { return missing_ranks_.data(); }
  std::span<const CategorySource> category_sources() const { return category_sources_; }
  bool compares_less() const { return comparison_ == Comparison::kLess; }
  const float* search_tree(size_t column) const {
    return search_trees_.data() + column * kSearchTree;
  }
  // Every source has one column, of the same index, and no category columns follow.
  bool is_plain() const { return plain_; }
  // Sources read features 0, 1, 2 and so on.
  bool is_contiguous() const { return contiguous_; }
  bool compares_doubles() const { return input_ == NumberType::kFloat64; }
  bool has_zero_rules() const { return zero_rules_; }
  const Tables<float>& float_tables() const { return float_tables_; }
  const Tables<double>& double_tables() const { return double_tables_; }
  // 0 (left) or 255 (right) for a present value.
  uint8_t rank_category(const CategorySource& source, double value) const;
  // Writes a source's rank into its columns.
  void spread(const Source& source, uint32_t rank, bool missing, uint8_t* ranks) const;
  template <typename Real>
  uint32_t rank_of(const Tables<Real>& tables, size_t source, Real value) const;

 private:
  void fill_gaps(std::vector<ThresholdSet>& sets);
  Status collect(const Forest& forest);
  Status lay_columns(const Forest& forest);
  void grow_search_trees();
  template <typename Real>
  void rank_row_as(const Tables<Real>& tables, const Rows& rows, size_t r, uint8_t* ranks) const;

  NumberType input_ = NumberType::kFloat32;
  Comparison comparison_ = Comparison::kLess;
  bool plain_ = false, contiguous_ = false, zero_rules_ = false;
  std::vector<Source> sources_;
  std::vector<Column> columns_;
  AlignedVector<uint8_t> missing_ranks_;
  AlignedVector<float> search_trees_;
  std::vector<CategorySource> category_sources_;
  SharedArray<uint32_t> category_words_;
  // Per feature and rule: its source; per source and default side (right first): its first column.
  std::vector<uint32_t> source_of_;
  std::vector<uint32_t> column_of_;
  std::vector<uint32_t> category_column_of_;  // per set and default side
  Tables<float> float_tables_;
  Tables<double> double_tables_;
};

}  // namespace spinney::rank
