// Dots: dot products of rows with a model's weights, each the exact sum rounded once, whatever the
// instruction set (docs/decisions/exact-sums.md).
#pragma once

#include <cstddef>
#include <span>

#include "spinney/base/aligned.h"
#include "spinney/cpu/features.h"

namespace spinney::kernel {

// Weights as the kernels read them: whole vectors. Lanes beyond the last column are multiplied with
// zeros of the row; should they hold infinities, the sum is NaN and the exact sum is used instead.
class DotWeights {
 public:
  // n_outputs rows of n_features.
  DotWeights(std::span<const double> weights, size_t n_features, size_t n_outputs);

  size_t n_features() const { return n_features_; }
  size_t n_outputs() const { return n_outputs_; }
  const double* weights(size_t output) const { return weights_.data() + output * padded_; }
  // Absolute values of an output's weights. Outputs whose sizes are alike share one bound; then
  // these are the largest of all outputs, column by column.
  const double* sizes(size_t output) const {
    return sizes_.data() + (shares_bound_ ? 0 : output * padded_);
  }
  bool shares_bound() const { return shares_bound_; }
  size_t bytes() const { return (weights_.size() + sizes_.size()) * sizeof(double); }

  // The greatest error of vector sums: of doubles, as a share of the power of two that splits them;
  // of floats, as a share of the sum of the terms' sizes.
  double slack() const { return slack_; }
  double float_slack() const { return float_slack_; }

 private:
  size_t n_features_, n_outputs_, padded_;
  AlignedVector<double> weights_, sizes_;
  double slack_, float_slack_;
  bool shares_bound_;

  bool share_bound();
};

// Rows of n_features numbers side by side, `stride` numbers from a row to the next.
template <typename Number>
struct PackedRows {
  const Number* data;
  ptrdiff_t stride;
  size_t count;
};

// sums: rows x n_outputs. The last gives sums rounded to float32; its weights are float32 numbers.
struct Dots {
  const char* name;
  cpu::Isa isa;
  void (*doubles)(const DotWeights&, const PackedRows<double>&, double* sums);
  void (*widened)(const DotWeights&, const PackedRows<float>&, double* sums);
  void (*floats)(const DotWeights&, const PackedRows<float>&, float* sums);
};

// Those that this CPU runs, the best first; the last is the scalar one, the oracle.
std::span<const Dots* const> usable_dots();
const Dots& best_dots();

}  // namespace spinney::kernel
