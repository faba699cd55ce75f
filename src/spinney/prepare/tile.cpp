#include "spinney/prepare/tile.h"

#include <span>

#include "spinney/prepare/curves.h"
#include "spinney/prepare/steps.h"

namespace spinney::prepare {
namespace {

std::span<const double> quantiles_of(const Recipe& recipe, size_t c) {
  return {recipe.quantiles.data() + c * recipe.quantile_count, recipe.quantile_count};
}

// value = function(value) down one column of a tile.
template <typename T, typename Function>
void each(const TilePlace& place, T* column, Function&& function) {
  for (size_t i = 0; i < place.rows; ++i) {
    T& value = column[i * place.columns];
    value = static_cast<T>(function(static_cast<double>(value)));
  }
}

template <typename T>
void curve_column(const Recipe& recipe, const TilePlace& place, size_t c, T* column) {
  const double center = recipe.center[c], scale = recipe.scale[c], offset = recipe.offset;
  switch (recipe.normalization) {
    case Normalization::kLog:
      return each(place, column, [=](double x) { return log_curve(x, center) + offset; });
    case Normalization::kYeoJohnson:
      return each(place, column, [=, lambda = recipe.lambda[c]](double x) {
        return (yeo_johnson(x, lambda) - center) / scale + offset;
      });
    case Normalization::kBoxCox:
      return each(place, column, [=, lambda = recipe.lambda[c]](double x) {
        return (box_cox(x, lambda) - center) / scale + offset;
      });
    case Normalization::kQuantile: {
      const auto quantiles = quantiles_of(recipe, c);
      if (recipe.quantile_normal)
        return each(place, column, [=](double x) {
          return normal_quantile(quantile_place(x, quantiles, kNearEnd)) + offset;
        });
      return each(place, column, [=](double x) { return quantile_place(x, quantiles) + offset; });
    }
    default:
      return;
  }
}

template <typename T>
void reverse_column(const Recipe& recipe, const TilePlace& place, size_t c, T* column) {
  const double center = recipe.center[c], scale = recipe.scale[c], offset = recipe.offset;
  switch (recipe.normalization) {
    case Normalization::kNone:
      if (offset != 0) each(place, column, [=](double y) { return y - offset; });
      return;
    case Normalization::kStandard:
    case Normalization::kRobust:
      return each(place, column, [=](double y) { return (y - offset) * scale + center; });
    case Normalization::kMinmax:
      return each(place, column, [=](double y) { return (y - offset - center) / scale; });
    case Normalization::kLog:
      return each(place, column, [=](double y) { return inverse_log_curve(y - offset, center); });
    case Normalization::kYeoJohnson:
      return each(place, column, [=, lambda = recipe.lambda[c]](double y) {
        return inverse_yeo_johnson((y - offset) * scale + center, lambda);
      });
    case Normalization::kBoxCox:
      return each(place, column, [=, lambda = recipe.lambda[c]](double y) {
        return inverse_box_cox((y - offset) * scale + center, lambda);
      });
    case Normalization::kQuantile: {
      const auto quantiles = quantiles_of(recipe, c);
      if (recipe.quantile_normal)
        return each(place, column, [=](double y) {
          return inverse_quantile_place(normal_place(y - offset), quantiles, kNearEnd);
        });
      return each(place, column,
                  [=](double y) { return inverse_quantile_place(y - offset, quantiles); });
    }
  }
}

}  // namespace

template <typename T>
void apply_curve(const Recipe& recipe, const TilePlace& place, T* tile) {
  for (size_t j = 0; j < place.columns; ++j)
    curve_column(recipe, place, place.column + j, tile + j);
  if (recipe.clip != Clip::kLast) return;
  const T low = rounded<T>(recipe.clip_low), high = rounded<T>(recipe.clip_high);
  for (size_t i = 0; i < place.rows * place.columns; ++i) {
    if (tile[i] < low) tile[i] = low;
    if (tile[i] > high) tile[i] = high;
  }
}

template <typename T>
void reverse_tile(const Recipe& recipe, const TilePlace& place, T* tile) {
  for (size_t j = 0; j < place.columns; ++j)
    reverse_column(recipe, place, place.column + j, tile + j);
}

template void apply_curve<float>(const Recipe&, const TilePlace&, float*);
template void apply_curve<double>(const Recipe&, const TilePlace&, double*);
template void reverse_tile<float>(const Recipe&, const TilePlace&, float*);
template void reverse_tile<double>(const Recipe&, const TilePlace&, double*);

}  // namespace spinney::prepare
