// Steps: a recipe's straight-line part as tables of one number type, laid out for vector loads; and
// what a kernel of one instruction set offers.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "spinney/base/aligned.h"
#include "spinney/cpu/features.h"
#include "spinney/prepare/recipe.h"

namespace spinney::prepare {

enum StepFlag : uint32_t {
  kFillMissing = 1,
  kFillInfinite = 2,
  kOutliers = 4,
  kClipFirst = 8,
  kSubtractDivide = 16,
  kMultiplyAdd = 32,
  kOffset = 64,
  kClipLast = 128,
};

enum Parameter : size_t {
  kMissingFill,
  kPositiveFill,
  kNegativeFill,
  kLow,
  kHigh,
  kBelow,
  kAbove,
  kCenter,
  kScale,
  kParameters,
};

template <typename T>
struct Steps {
  uint32_t flags = 0;
  T clip_low = 0, clip_high = 0, offset = 0;
  size_t width = 0;          // columns
  size_t repeated_rows = 1;  // rows that the tables hold one after the other
  // Each starts on a 64-byte line and may be read a vector beyond its end. Absent steps have none.
  std::array<const T*, kParameters> tables{};
  AlignedVector<T> storage;

  Steps() = default;
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;
};

// A finite number stays one when it is rounded.
template <typename T>
T rounded(double value) {
  const T near = static_cast<T>(value);
  if (std::isinf(near) && !std::isinf(value))
    return std::copysign(std::numeric_limits<T>::max(), near);
  return near;
}

// Fills steps from a checked recipe. Curves are no part of it, and with a curve no centre either.
template <typename T>
void make_steps(const Recipe& recipe, Steps<T>& steps);

// Rows whose columns lie side by side, `out_stride` and `in_stride` elements apart; input and
// output may be the same. `first` is the table entry of a row's first value, `n` the values of each
// row.
template <typename T>
struct RowSpan {
  const T* in;
  ptrdiff_t in_stride;
  T* out;
  ptrdiff_t out_stride;
  size_t rows;
  size_t first;
  size_t n;
};

// A column whose values lie side by side.
template <typename T>
struct ColumnSpan {
  const T* in;
  T* out;
  size_t column;
  size_t n;
};

// Running moments of up to 1,024 rows, column by column (Welford 1962). Values beyond [low, high]
// count as the nearer bound; NaN and infinities are counted apart.
struct BlockMoments {
  double* count;
  double* mean;
  double* m2;  // sum of squared distances from the mean
  double* min;
  double* max;
  double* missing;
  double* positive;  // +infinity
  double* negative;  // -infinity
};

template <typename T>
struct MomentSpan {
  const T* in;
  ptrdiff_t stride;  // elements from a row to the next
  size_t rows;
  size_t n;  // columns
  double low, high;
};

struct Kernels {
  std::string_view name;
  cpu::Isa isa;
  void (*rows_float)(const Steps<float>&, const RowSpan<float>&);
  void (*rows_double)(const Steps<double>&, const RowSpan<double>&);
  void (*column_float)(const Steps<float>&, const ColumnSpan<float>&);
  void (*column_double)(const Steps<double>&, const ColumnSpan<double>&);
  void (*moments_float)(const MomentSpan<float>&, const BlockMoments&);
  void (*moments_double)(const MomentSpan<double>&, const BlockMoments&);

  void rows(const Steps<float>& s, const RowSpan<float>& r) const { rows_float(s, r); }
  void rows(const Steps<double>& s, const RowSpan<double>& r) const { rows_double(s, r); }
  void column(const Steps<float>& s, const ColumnSpan<float>& c) const { column_float(s, c); }
  void column(const Steps<double>& s, const ColumnSpan<double>& c) const { column_double(s, c); }
  void moments(const MomentSpan<float>& r, const BlockMoments& m) const { moments_float(r, m); }
  void moments(const MomentSpan<double>& r, const BlockMoments& m) const { moments_double(r, m); }
};

// Those that this CPU runs, the best first. Scalar is the last and the oracle of the others.
std::span<const Kernels* const> usable_kernels();
// The first of them.
const Kernels& best_kernels();

}  // namespace spinney::prepare
