#include "spinney/rank/ranker.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "spinney/rank/tables.h"
#include "spinney/rank/threshold_set.h"

namespace spinney::rank {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
// Tables used while building are as long as the highest feature number, which a file may choose
// freely.
constexpr uint32_t kFeaturesMax = 1u << 22;

// For float32 values x, comparing with this float decides as comparing with t does.
float rounded_threshold(double t, Comparison comparison) {
  const float nearest = static_cast<float>(t);
  const float infinity = std::numeric_limits<float>::infinity();
  if (comparison == Comparison::kLess)  // x >= t  <=>  x >= the least float not below t
    return static_cast<double>(nearest) < t ? std::nextafter(nearest, infinity) : nearest;
  return static_cast<double>(nearest) > t ? std::nextafter(nearest, -infinity) : nearest;
}

size_t source_key(const Node& node) {
  return size_t{node.feature} * 3 + static_cast<size_t>(node.missing);
}

template <typename Real>
bool passes(Real value, Real threshold, Comparison comparison) {
  return comparison == Comparison::kLess ? value >= threshold : value > threshold;
}

template <typename Real>
bool is_missing(MissingRule rule, Real value) {
  if (rule == MissingRule::kNanIsZero) return false;
  if (std::isnan(value)) return true;
  return rule == MissingRule::kZeroOrNan && std::fabs(static_cast<double>(value)) <= kZeroThreshold;
}

}  // namespace

// Where most features are read, the few others get sources without thresholds (their rank is always
// 0), so that a row's values can be loaded without a gather.
void Ranker::fill_gaps(std::vector<ThresholdSet>& sets) {
  uint32_t end = 0;
  for (const Source& source : sources_) end = std::max(end, source.feature + 1);
  if (sources_.size() < end && 4 * sources_.size() > 3 * size_t{end})
    for (uint32_t feature = 0; feature < end; ++feature) {
      const auto entry = source_of_.begin() + static_cast<ptrdiff_t>(size_t{feature} * 3);
      if (std::any_of(entry, entry + 3, [](uint32_t source) { return source != kNone; })) continue;
      *entry = static_cast<uint32_t>(sources_.size());
      sources_.push_back({feature, MissingRule::kNan, 0, 0, 0});
      sets.emplace_back();
    }
}

Status Ranker::collect(const Forest& forest) {
  uint32_t end = 0;
  for (const Node& node : forest.nodes)
    if (!node.is_leaf()) end = std::max(end, node.feature + 1);
  if (end > kFeaturesMax)
    return unsupported("it reads feature " + std::to_string(end - 1) + ", and ranks go up to " +
                       std::to_string(kFeaturesMax - 1));
  source_of_.assign(size_t{end} * 3, kNone);
  category_column_of_.assign(forest.category_sets.size() * 2, kNone);
  std::vector<ThresholdSet> sets;
  for (const Node& node : forest.nodes) {
    if (node.is_leaf()) continue;
    if (node.is_categorical()) {
      uint32_t& column = category_column_of_[node.category_set() * 2 + node.default_left()];
      if (column != kNone) {
        // A set is known by its index, so two features that share one cannot share a column.
        if (category_sources_[column].feature != node.feature)
          return unsupported("two features share a category set");
        continue;
      }
      column = static_cast<uint32_t>(category_sources_.size());
      category_sources_.push_back({node.feature, column,
                                   static_cast<uint8_t>(node.default_left() ? 0 : 255),
                                   forest.category_sets[node.category_set()]});
      continue;
    }
    if (std::isnan(node.threshold)) return unsupported("a threshold is NaN, which has no rank");
    uint32_t& source = source_of_[source_key(node)];
    if (source == kNone) {
      source = static_cast<uint32_t>(sources_.size());
      sources_.push_back({node.feature, node.missing, 0, 0, 0});
      sets.emplace_back();
    }
    sets[source].add(node.threshold);
  }
  fill_gaps(sets);
  // Sources in the order of their features, so that a row is read from left to right.
  std::vector<Source> sorted;
  for (uint32_t& entry : source_of_) {
    if (entry == kNone) continue;
    Source source = sources_[entry];
    const std::vector<double> thresholds = sets[entry].take_sorted();
    source.threshold_count = static_cast<uint32_t>(thresholds.size());
    std::vector<float> rounded;
    for (const double t : thresholds) rounded.push_back(rounded_threshold(t, comparison_));
    append_source(std::span<const float>(rounded), float_tables_);
    if (compares_doubles()) append_source(std::span<const double>(thresholds), double_tables_);
    entry = static_cast<uint32_t>(sorted.size());
    sorted.push_back(source);
  }
  sources_ = std::move(sorted);
  pad_sources(float_tables_);
  pad_sources(double_tables_);
  return {};
}

// One run of columns per source and default side that nodes use; right first, then left.
Status Ranker::lay_columns(const Forest& forest) {
  column_of_.assign(sources_.size() * 2, kNone);
  for (const Node& node : forest.nodes)
    if (!node.is_leaf() && !node.is_categorical())
      column_of_[source_of_[source_key(node)] * 2 + node.default_left()] = 0;
  for (size_t s = 0; s < sources_.size(); ++s) {
    Source& source = sources_[s];
    if (source.threshold_count == 0) column_of_[s * 2] = 0;  // made by fill_gaps()
    const auto slices = static_cast<uint32_t>(
        std::max<size_t>(1, (size_t{source.threshold_count} + kSlice - 1) / kSlice));
    source.first_column = static_cast<uint32_t>(columns_.size());
    for (const bool left : {false, true}) {
      if (column_of_[s * 2 + left] == kNone) continue;
      column_of_[s * 2 + left] = static_cast<uint32_t>(columns_.size());
      for (uint32_t slice = 0; slice < slices; ++slice)
        columns_.push_back({slice, static_cast<uint8_t>(left ? 0 : 255), 4});
    }
    source.column_count = static_cast<uint32_t>(columns_.size()) - source.first_column;
    if (n_columns() > kMaxColumns)
      return unsupported("its thresholds need more than " + std::to_string(kMaxColumns) +
                         " columns of one-byte ranks");
  }
  for (CategorySource& source : category_sources_)
    source.column += static_cast<uint32_t>(columns_.size());
  return {};
}

void Ranker::grow_search_trees() {
  search_trees_.assign(columns_.size() * kSearchTree, std::numeric_limits<float>::quiet_NaN());
  for (size_t s = 0; s < sources_.size(); ++s) {
    const Source& source = sources_[s];
    const float* thresholds = float_tables_.thresholds.data() + float_tables_.first_threshold[s];
    for (uint32_t c = source.first_column; c < source.first_column + source.column_count; ++c) {
      Column& column = columns_[c];
      const size_t first = column.slice * kSlice;
      const size_t count = std::min(source.threshold_count - first, kSlice);
      while (count >= size_t{1} << column.search_depth) ++column.search_depth;
      float* tree = search_trees_.data() + c * kSearchTree;
      for (unsigned level = 0; level < column.search_depth; ++level)
        for (size_t i = 0; i < size_t{1} << level; ++i) {
          const size_t at = ((2 * i + 1) << (column.search_depth - 1u - level)) - 1;
          if (at < count) tree[(size_t{1} << level) + i] = thresholds[first + at];
        }
    }
  }
}

Result<std::shared_ptr<const Ranker>> Ranker::make(const Forest& forest) {
  auto ranker = std::make_shared<Ranker>();
  ranker->input_ = forest.settings().input;
  ranker->comparison_ = forest.settings().comparison;
  ranker->category_words_ = forest.category_words;
  SPINNEY_TRY(ranker->collect(forest));
  SPINNEY_TRY(ranker->lay_columns(forest));
  if (ranker->n_columns() > kMaxColumns)
    return unsupported("it has more than " + std::to_string(kMaxColumns) + " category sets");
  ranker->grow_search_trees();
  ranker->plain_ = ranker->category_sources_.empty();
  ranker->contiguous_ = true;
  ranker->missing_ranks_.resize((ranker->columns_.size() + 63) / 64 * 64);
  for (size_t c = 0; c < ranker->columns_.size(); ++c)
    ranker->missing_ranks_[c] = ranker->columns_[c].missing_rank;
  for (size_t s = 0; s < ranker->sources_.size(); ++s) {
    const Source& source = ranker->sources_[s];
    ranker->plain_ &= source.first_column == s && source.column_count == 1;
    ranker->contiguous_ &= source.feature == s;
    ranker->zero_rules_ |= source.missing != MissingRule::kNan;
  }
  return std::shared_ptr<const Ranker>(std::move(ranker));
}

NodeTest Ranker::test(const Node& node) const {
  if (node.is_categorical()) {
    const uint32_t i = category_column_of_[node.category_set() * 2 + node.default_left()];
    return {static_cast<uint16_t>(category_sources_[i].column), 1};
  }
  const uint32_t s = source_of_[source_key(node)];
  // The rank of the threshold itself; under <= it does not pass itself.
  uint32_t rank = compares_doubles()
                      ? rank_of(double_tables_, s, node.threshold)
                      : rank_of(float_tables_, s, static_cast<float>(node.threshold));
  if (!compares_less()) ++rank;
  const uint32_t slice = (rank - 1) / static_cast<uint32_t>(kSlice);
  return {static_cast<uint16_t>(column_of_[s * 2 + node.default_left()] + slice),
          static_cast<uint8_t>(rank - slice * kSlice)};
}

template <typename Real>
uint32_t Ranker::rank_of(const Tables<Real>& tables, size_t source, Real value) const {
  const uint32_t first = tables.first_threshold[source];
  if (tables.last_bucket[source] == 0 && sources_[source].threshold_count > kWindow) {
    const auto begin = tables.thresholds.begin() + first;
    const auto end = begin + sources_[source].threshold_count;
    const auto found =
        compares_less() ? std::upper_bound(begin, end, value) : std::lower_bound(begin, end, value);
    return static_cast<uint32_t>(found - begin);
  }
  const bool by_bits = tables.by_bits[source / 16] >> (source % 16) & 1;
  const uint32_t bucket = bucket_of(static_cast<float>(value), by_bits, tables.scale[source],
                                    tables.offset[source], tables.last_bucket[source]);
  uint32_t at = tables.base[tables.first_bucket[source] + bucket];
  while (passes(value, tables.thresholds[at], comparison_)) ++at;
  return at - first;
}

template uint32_t Ranker::rank_of(const Tables<float>&, size_t, float) const;
template uint32_t Ranker::rank_of(const Tables<double>&, size_t, double) const;

uint8_t Ranker::rank_category(const CategorySource& source, double value) const {
  const CategorySet& set = source.set;
  bool left = set.other_left;
  const bool beyond = value < 0 && !(set.fraction_below_zero_is_zero && value > -1);
  const double truncated = value < 0 ? 0 : value;
  if (!beyond && truncated < 32.0 * set.word_count) {
    const auto category = static_cast<uint64_t>(truncated);
    left = category_words_[set.first_word + category / 32] >> (category % 32) & 1;
  }
  return left ? 0 : 255;
}

void Ranker::spread(const Source& source, uint32_t rank, bool missing, uint8_t* ranks) const {
  for (uint32_t i = source.first_column; i < source.first_column + source.column_count; ++i) {
    const uint32_t below = columns_[i].slice * static_cast<uint32_t>(kSlice);
    const uint32_t part = rank > below ? rank - below : 0;
    ranks[i] = missing ? columns_[i].missing_rank
                       : static_cast<uint8_t>(std::min(part, static_cast<uint32_t>(kSlice)));
  }
}

template <typename Real>
void Ranker::rank_row_as(const Tables<Real>& tables, const Rows& rows, size_t r,
                         uint8_t* ranks) const {
  for (size_t s = 0; s < sources_.size(); ++s) {
    const Source& source = sources_[s];
    auto value = static_cast<Real>(rows.at(r, source.feature));
    if (source.missing == MissingRule::kNanIsZero && std::isnan(value)) value = 0;
    const bool missing = is_missing(source.missing, value);
    spread(source, missing ? 0 : rank_of(tables, s, value), missing, ranks);
  }
}

void Ranker::rank_row(const Rows& rows, size_t r, uint8_t* ranks) const {
  if (compares_doubles() && rows.type == NumberType::kFloat64)
    rank_row_as(double_tables_, rows, r, ranks);
  else
    rank_row_as(float_tables_, rows, r, ranks);
  for (const CategorySource& source : category_sources_) {
    double value = rows.at(r, source.feature);
    if (!compares_doubles()) value = static_cast<float>(value);
    ranks[source.column] = std::isnan(value) ? source.missing_rank : rank_category(source, value);
  }
}

size_t Ranker::bytes() const {
  const auto table_bytes = [](const auto& t) {
    return t.scale.size() * 5 * 4 + t.base.size() * 4 +
           t.thresholds.size() * sizeof(t.thresholds[0]);
  };
  return table_bytes(float_tables_) + table_bytes(double_tables_) + search_trees_.size() * 4 +
         sources_.size() * sizeof(Source) + columns_.size() * sizeof(Column) +
         category_sources_.size() * sizeof(CategorySource);
}

}  // namespace spinney::rank
