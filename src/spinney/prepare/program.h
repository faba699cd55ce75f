// Program: a recipe made ready for this CPU. Immutable; any number of threads may run it at once.
//
// All steps are done in one pass over each value, from the caller's rows straight into the caller's
// buffer. Arithmetic is in the wider of the two number types; the same bits come out on every
// instruction set, for every layout and however rows are divided between calls.
#pragma once

#include <cstdint>
#include <memory>

#include "spinney/base/result.h"
#include "spinney/model/rows.h"
#include "spinney/prepare/recipe.h"
#include "spinney/prepare/steps.h"

namespace spinney::prepare {

// Where rows are written: as many rows and columns as were given, of any strides (bytes). It may be
// the input itself; otherwise the two must not overlap.
struct Output {
  void* data = nullptr;
  NumberType type = NumberType::kFloat32;
  ptrdiff_t row_stride = 0;
  ptrdiff_t column_stride = 0;

  char* row(size_t r) const {
    return static_cast<char*>(data) + static_cast<ptrdiff_t>(r) * row_stride;
  }
  Output from_row(size_t r) const {
    Output part = *this;
    part.data = row(r);
    return part;
  }
};

class Program {
 public:
  // An error if the recipe contradicts itself. `kernels` is for tests, which compare them.
  static Result<std::shared_ptr<const Program>> make(Recipe recipe,
                                                     const Kernels& kernels = best_kernels());

  const Recipe& recipe() const { return recipe_; }
  size_t width() const { return recipe_.width(); }
  const Kernels& kernels() const { return kernels_; }
  size_t bytes() const;

  Status transform(const Rows& rows, const Output& out) const;
  // Into packed rows: what a model's plan reads.
  Status run(const Rows& rows, float* out) const;
  Status run(const Rows& rows, double* out) const;
  // Rows whose columns and rows are packed; nothing is checked.
  void run_packed(const float* in, size_t count, float* out) const;
  void run_packed(const double* in, size_t count, double* out) const;

  // From transformed rows back. What was filled, clipped or replaced stays so; places outside a
  // curve's image give NaN.
  Status reverse(const Rows& rows, const Output& out) const;

  // marks[r] = 1 if a value of row r lies beyond its column's outlier bounds, else 0.
  Status mark_outliers(const Rows& rows, uint8_t* marks) const;

 private:
  Program(Recipe recipe, const Kernels& kernels) : recipe_(std::move(recipe)), kernels_(kernels) {}

  Status check_width(const Rows& rows) const;
  template <typename T>
  const Steps<T>& steps() const;
  template <typename T>
  void packed(const T* in, size_t count, T* out) const;
  template <typename T>
  bool in_place_layout(const Rows& rows, const Output& out) const;
  template <typename In, typename Out>
  void by_tiles(const Rows& rows, const Output& out, bool forward) const;
  template <typename In>
  void mark(const Rows& rows, uint8_t* marks) const;

  Recipe recipe_;
  const Kernels& kernels_;
  Steps<float> floats_;
  Steps<double> doubles_;
};

}  // namespace spinney::prepare
