// Tile: values of a few sources for a block of rows, source by source, as blocks are ranked; and
// the parts of ranking a block that need no vector code.
//
// Ranks are written as columns of 64 bytes, each XORed with `flip` (128 for kernels that compare
// bytes as signed): columns[64 * c + i] is row i's rank in column c.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spinney/rank/view.h"

namespace spinney::rank {

inline constexpr size_t kTileSources = 16;

template <typename Real>
struct Tile {
  alignas(64) Real values[kTileSources][kBlockRows];
};

// Which rows of a block, [first, first + n) with n <= 64, and which sources a tile holds.
struct TilePlace {
  size_t first, n;
  size_t source, count;
};

// How missing values of a column are ranked.
struct ColumnRule {
  MissingRule missing;
  uint8_t missing_rank;
};

// Reads a tile from rows of any type and strides. What lies beyond n or count is left alone.
void gather_tile(const View& view, const Rows& rows, const TilePlace& place, Tile<float>& tile);
// The same for values that are compared as doubles; `rounded` gets them as floats, out of which
// ranks can be guessed.
void gather_tile(const View& view, const Rows& rows, const TilePlace& place, Tile<double>& tile,
                 Tile<float>& rounded);
// Corrects guessed ranks: each moves up or down until it is exact, however far off it was.
void settle_ranks(const View& view, const TilePlace& place, const Tile<double>& tile, uint8_t flip,
                  uint8_t* columns);
// The category columns of rows [first, first + n).
void rank_categories(const View& view, const Rows& rows, size_t first, size_t n, uint8_t flip,
                     uint8_t* columns);

}  // namespace spinney::rank
