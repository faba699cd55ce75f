// Tiles: a few rows and columns at a time in memory that stays in the first-level cache, for
// layouts, number types and curves that kernels do not read or write themselves.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "spinney/model/rows.h"
#include "spinney/prepare/recipe.h"

namespace spinney::prepare {

inline constexpr size_t kTileValues = 2048;
inline constexpr size_t kTileColumns = 512;

struct TilePlace {
  size_t row, rows;
  size_t column, columns;
};

// Calls visit(place) for all tiles of count rows and width columns, row blocks first.
template <typename Visit>
void for_each_tile(size_t count, size_t width, Visit&& visit) {
  const size_t columns = std::min(width, kTileColumns);
  const size_t rows = kTileValues / columns;
  for (size_t r = 0; r < count; r += rows)
    for (size_t c = 0; c < width; c += columns)
      visit(TilePlace{r, std::min(rows, count - r), c, std::min(columns, width - c)});
}

// tile[i * columns + j] = the place's value in row i, column j.
template <typename In, typename T>
void gather(const Rows& rows, const TilePlace& place, T* tile) {
  for (size_t i = 0; i < place.rows; ++i) {
    const char* p =
        rows.row(place.row + i) + static_cast<ptrdiff_t>(place.column) * rows.column_stride;
    for (size_t j = 0; j < place.columns; ++j, p += rows.column_stride) {
      In value;
      std::memcpy(&value, p, sizeof value);
      tile[i * place.columns + j] = static_cast<T>(value);
    }
  }
}

template <typename Out, typename T, typename Output>
void scatter(const T* tile, const TilePlace& place, const Output& out) {
  for (size_t i = 0; i < place.rows; ++i) {
    char* p = out.row(place.row + i) + static_cast<ptrdiff_t>(place.column) * out.column_stride;
    for (size_t j = 0; j < place.columns; ++j, p += out.column_stride) {
      const Out value = static_cast<Out>(tile[i * place.columns + j]);
      std::memcpy(p, &value, sizeof value);
    }
  }
}

// The recipe's curve, offset and last clipping, forward over a tile.
template <typename T>
void apply_curve(const Recipe& recipe, const TilePlace& place, T* tile);
// Everything that can be undone, backward over a tile.
template <typename T>
void reverse_tile(const Recipe& recipe, const TilePlace& place, T* tile);

}  // namespace spinney::prepare
