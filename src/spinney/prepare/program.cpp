#include "spinney/prepare/program.h"

#include <string>
#include <type_traits>

#include "spinney/prepare/tile.h"

namespace spinney::prepare {
namespace {

// Arithmetic between two number types is in the wider.
template <typename In, typename Out>
using Wider = std::conditional_t<sizeof(In) >= sizeof(Out), In, Out>;

template <typename T>
Output packed_output(T* out, size_t width) {
  return {out, sizeof(T) == 4 ? NumberType::kFloat32 : NumberType::kFloat64,
          static_cast<ptrdiff_t>(width * sizeof(T)), static_cast<ptrdiff_t>(sizeof(T))};
}

bool aligned(const void* data, ptrdiff_t a, ptrdiff_t b, size_t size) {
  return (reinterpret_cast<uintptr_t>(data) | static_cast<uintptr_t>(a) |
          static_cast<uintptr_t>(b)) %
             size ==
         0;
}

}  // namespace

Result<std::shared_ptr<const Program>> Program::make(Recipe recipe, const Kernels& kernels) {
  SPINNEY_TRY(recipe.check());
  std::shared_ptr<Program> program(new Program(std::move(recipe), kernels));
  make_steps(program->recipe_, program->floats_);
  make_steps(program->recipe_, program->doubles_);
  return std::shared_ptr<const Program>(std::move(program));
}

size_t Program::bytes() const {
  return sizeof *this + floats_.storage.size() * sizeof(float) +
         doubles_.storage.size() * sizeof(double) + recipe_.quantiles.size() * sizeof(double) +
         kParameters * width() * sizeof(double);
}

Status Program::check_width(const Rows& rows) const {
  if (rows.width == width()) return {};
  return invalid_argument("the rows have " + std::to_string(rows.width) +
                          " columns, but the preprocessor was fitted on " +
                          std::to_string(width()));
}

template <typename T>
const Steps<T>& Program::steps() const {
  if constexpr (std::is_same_v<T, float>)
    return floats_;
  else
    return doubles_;
}

template <typename T>
void Program::packed(const T* in, size_t count, T* out) const {
  if (!recipe_.is_affine()) {
    const bool single = sizeof(T) == 4;
    const NumberType type = single ? NumberType::kFloat32 : NumberType::kFloat64;
    const auto size = static_cast<ptrdiff_t>(sizeof(T));
    const Rows rows{in, type, count, width(), static_cast<ptrdiff_t>(width()) * size, size};
    return by_tiles<T, T>(rows, packed_output(out, width()), true);
  }
  // Several rows at once fill whole vectors; the few rows left over are one shorter run.
  const Steps<T>& table = steps<T>();
  const size_t together = table.repeated_rows;
  const size_t n = together * width();
  const auto stride = static_cast<ptrdiff_t>(n);
  const size_t whole = count / together;
  if (whole > 0) kernels_.rows(table, RowSpan<T>{in, stride, out, stride, whole, 0, n});
  if (const size_t rest = count % together)
    kernels_.rows(
        table, RowSpan<T>{in + whole * n, stride, out + whole * n, stride, 1, 0, rest * width()});
}

// Layouts that kernels read and write themselves; false for the others, with nothing done.
template <typename T>
bool Program::in_place_layout(const Rows& rows, const Output& out) const {
  constexpr auto kSize = static_cast<ptrdiff_t>(sizeof(T));
  if (!recipe_.is_affine() || !aligned(rows.data, rows.row_stride, rows.column_stride, kSize) ||
      !aligned(out.data, out.row_stride, out.column_stride, kSize))
    return false;
  const auto* in = static_cast<const T*>(rows.data);
  auto* to = static_cast<T*>(out.data);
  const auto row_bytes = static_cast<ptrdiff_t>(width() * sizeof(T));
  if (rows.column_stride == kSize && out.column_stride == kSize) {
    if (rows.row_stride == row_bytes && out.row_stride == row_bytes) {
      packed(in, rows.count, to);
    } else {
      kernels_.rows(steps<T>(), RowSpan<T>{in, rows.row_stride / kSize, to, out.row_stride / kSize,
                                           rows.count, 0, width()});
    }
    return true;
  }
  if (rows.row_stride != kSize || out.row_stride != kSize) return false;
  for (size_t c = 0; c < width(); ++c) {
    const auto column = static_cast<ptrdiff_t>(c);
    kernels_.column(steps<T>(),
                    ColumnSpan<T>{in + column * (rows.column_stride / kSize),
                                  to + column * (out.column_stride / kSize), c, rows.count});
  }
  return true;
}

template <typename In, typename Out>
void Program::by_tiles(const Rows& rows, const Output& out, bool forward) const {
  using T = Wider<In, Out>;
  alignas(64) T tile[kTileValues];
  for_each_tile(rows.count, width(), [&](const TilePlace& place) {
    gather<In>(rows, place, tile);
    if (forward) {
      const auto stride = static_cast<ptrdiff_t>(place.columns);
      kernels_.rows(steps<T>(), RowSpan<T>{tile, stride, tile, stride, place.rows, place.column,
                                           place.columns});
      if (!recipe_.is_affine()) apply_curve(recipe_, place, tile);
    } else {
      reverse_tile(recipe_, place, tile);
    }
    scatter<Out>(tile, place, out);
  });
}

Status Program::transform(const Rows& rows, const Output& out) const {
  SPINNEY_TRY(check_width(rows));
  if (rows.count == 0) return {};
  const bool from_float = rows.type == NumberType::kFloat32;
  const bool to_float = out.type == NumberType::kFloat32;
  if (from_float && to_float) {
    if (!in_place_layout<float>(rows, out)) by_tiles<float, float>(rows, out, true);
  } else if (!from_float && !to_float) {
    if (!in_place_layout<double>(rows, out)) by_tiles<double, double>(rows, out, true);
  } else if (from_float) {
    by_tiles<float, double>(rows, out, true);
  } else {
    by_tiles<double, float>(rows, out, true);
  }
  return {};
}

Status Program::run(const Rows& rows, float* out) const {
  return transform(rows, packed_output(out, width()));
}

Status Program::run(const Rows& rows, double* out) const {
  return transform(rows, packed_output(out, width()));
}

void Program::run_packed(const float* in, size_t count, float* out) const {
  packed(in, count, out);
}

void Program::run_packed(const double* in, size_t count, double* out) const {
  packed(in, count, out);
}

Status Program::reverse(const Rows& rows, const Output& out) const {
  SPINNEY_TRY(check_width(rows));
  const bool from_float = rows.type == NumberType::kFloat32;
  const bool to_float = out.type == NumberType::kFloat32;
  if (from_float && to_float)
    by_tiles<float, float>(rows, out, false);
  else if (from_float)
    by_tiles<float, double>(rows, out, false);
  else if (to_float)
    by_tiles<double, float>(rows, out, false);
  else
    by_tiles<double, double>(rows, out, false);
  return {};
}

template <typename In>
void Program::mark(const Rows& rows, uint8_t* marks) const {
  const Steps<In>& table = steps<In>();
  alignas(64) In tile[kTileValues];
  for_each_tile(rows.count, width(), [&](const TilePlace& place) {
    gather<In>(rows, place, tile);
    for (size_t i = 0; i < place.rows; ++i)
      for (size_t j = 0; j < place.columns; ++j) {
        const size_t c = place.column + j;
        In v = tile[i * place.columns + j];
        if (recipe_.fills_missing && v != v) v = table.tables[kMissingFill][c];
        if (recipe_.fills_infinite && v - v != v - v && v == v)
          v = table.tables[v > 0 ? kPositiveFill : kNegativeFill][c];
        if (v < table.tables[kLow][c] || v > table.tables[kHigh][c]) marks[place.row + i] = 1;
      }
  });
}

Status Program::mark_outliers(const Rows& rows, uint8_t* marks) const {
  SPINNEY_TRY(check_width(rows));
  std::fill_n(marks, rows.count, uint8_t{0});
  if (!recipe_.has_outliers) return {};
  if (rows.type == NumberType::kFloat32)
    mark<float>(rows, marks);
  else
    mark<double>(rows, marks);
  return {};
}

}  // namespace spinney::prepare
