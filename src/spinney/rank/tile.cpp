#include "spinney/rank/tile.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace spinney::rank {
namespace {

template <typename Given, typename Put>
void gather(const View& view, const Rows& rows, const TilePlace& place, Put put) {
  for (size_t r = 0; r < place.n; ++r) {
    const char* row = rows.row(place.first + r);
    for (size_t s = 0; s < place.count; ++s) {
      const ptrdiff_t at =
          static_cast<ptrdiff_t>(view.sources[place.source + s].feature) * rows.column_stride;
      Given value;
      std::memcpy(&value, row + at, sizeof value);
      put(s, r, value);
    }
  }
}

template <bool kLess>
bool passes(double value, double threshold) {
  return kLess ? value >= threshold : value > threshold;
}

// One column's slice of a source's thresholds.
struct Slice {
  const double* thresholds;
  uint32_t count;
  MissingRule rule;
  uint8_t missing_rank;
};

template <bool kLess>
void settle_column(const Slice& slice, const double* values, size_t n, uint8_t flip, uint8_t* to) {
  for (size_t r = 0; r < n; ++r) {
    double value = values[r];
    if (std::isnan(value)) {
      if (slice.rule != MissingRule::kNanIsZero) {
        to[r] = slice.missing_rank ^ flip;
        continue;
      }
      value = 0;
    }
    if (slice.rule == MissingRule::kZeroOrNan && std::fabs(value) <= kZeroThreshold) {
      to[r] = slice.missing_rank ^ flip;
      continue;
    }
    uint32_t rank = std::min<uint32_t>(to[r] ^ flip, slice.count);
    while (rank < slice.count && passes<kLess>(value, slice.thresholds[rank])) ++rank;
    while (rank > 0 && !passes<kLess>(value, slice.thresholds[rank - 1])) --rank;
    to[r] = static_cast<uint8_t>(rank ^ flip);
  }
}

}  // namespace

void gather_tile(const View& view, const Rows& rows, const TilePlace& place, Tile<float>& tile) {
  const auto put = [&](size_t s, size_t r, auto value) {
    tile.values[s][r] = static_cast<float>(value);
  };
  if (rows.type == NumberType::kFloat32)
    gather<float>(view, rows, place, put);
  else
    gather<double>(view, rows, place, put);
}

void gather_tile(const View& view, const Rows& rows, const TilePlace& place, Tile<double>& tile,
                 Tile<float>& rounded) {
  gather<double>(view, rows, place, [&](size_t s, size_t r, double value) {
    tile.values[s][r] = value;
    rounded.values[s][r] = static_cast<float>(value);
  });
}

void settle_ranks(const View& view, const TilePlace& place, const Tile<double>& tile, uint8_t flip,
                  uint8_t* columns) {
  for (size_t s = 0; s < place.count; ++s) {
    const Source& source = view.sources[place.source + s];
    const double* thresholds =
        view.doubles.thresholds + view.doubles.first_threshold[place.source + s];
    for (uint32_t c = source.first_column; c < source.first_column + source.column_count; ++c) {
      const uint32_t below = view.columns[c].slice * static_cast<uint32_t>(kSlice);
      const Slice slice{thresholds + below,
                        std::min(source.threshold_count - below, static_cast<uint32_t>(kSlice)),
                        source.missing, view.missing_ranks[c]};
      uint8_t* to = columns + size_t{c} * kBlockRows;
      if (view.compares_less)
        settle_column<true>(slice, tile.values[s], place.n, flip, to);
      else
        settle_column<false>(slice, tile.values[s], place.n, flip, to);
    }
  }
}

void rank_categories(const View& view, const Rows& rows, size_t first, size_t n, uint8_t flip,
                     uint8_t* columns) {
  for (const CategorySource& source : view.ranker->category_sources())
    for (size_t r = 0; r < n; ++r) {
      double value = rows.at(first + r, source.feature);
      if (!view.compares_doubles) value = static_cast<float>(value);
      const uint8_t rank =
          std::isnan(value) ? source.missing_rank : view.ranker->rank_category(source, value);
      columns[source.column * kBlockRows + r] = rank ^ flip;
    }
}

}  // namespace spinney::rank
