#include "spinney/plan/linear_plan.h"

#include <cmath>
#include <vector>

#include "spinney/base/aligned.h"

namespace spinney::plan {
namespace {

// Terms are added in eight (float64) or sixteen (float32) interleaved partial sums, which any
// compiler turns into whole vector registers without reordering a single addition.
template <typename Real>
constexpr size_t kLanes = 64 / sizeof(Real);

template <typename Real>
Real fold(const Real* lanes, size_t n) {
  Real folded[kLanes<Real>];
  for (size_t i = 0; i < n; ++i) folded[i] = lanes[i];
  for (size_t half = n / 2; half > 0; half /= 2)
    for (size_t i = 0; i < half; ++i) folded[i] += folded[i + half];
  return folded[0];
}

template <typename Real>
Real dot(const Real* x, const Real* w, size_t n) {
  constexpr size_t kWidth = kLanes<Real>;
  Real lanes[kWidth] = {};
  size_t j = 0;
  for (; j + kWidth <= n; j += kWidth)
    for (size_t i = 0; i < kWidth; ++i) lanes[i] += x[j + i] * w[j + i];
  for (size_t i = 0; j + i < n; ++i) lanes[i] += x[j + i] * w[j + i];
  return fold(lanes, kWidth);
}

// gblinear's own order: the bias, then each present value's term.
template <typename Real>
Real dot_present(Real sum, const Real* x, const Real* w, size_t n) {
  for (size_t j = 0; j < n; ++j)
    if (!std::isnan(x[j])) sum += x[j] * w[j];
  return sum;
}

template <typename Real>
constexpr NumberType kTypeOf =
    sizeof(Real) == sizeof(float) ? NumberType::kFloat32 : NumberType::kFloat64;

// One row as n Reals side by side: where it lies if it lies so, else copied into scratch.
template <typename Real>
const Real* packed_row(const Rows& rows, size_t r, Real* scratch) {
  const char* row = rows.row(r);
  if (rows.type == kTypeOf<Real> && rows.packed_columns() &&
      reinterpret_cast<uintptr_t>(row) % alignof(Real) == 0)
    return reinterpret_cast<const Real*>(row);
  for (size_t c = 0; c < rows.width; ++c) scratch[c] = static_cast<Real>(rows.at(r, c));
  return scratch;
}

template <typename Real>
class LinearPlan final : public Plan {
 public:
  explicit LinearPlan(const Linear& model)
      : n_features_(model.n_features),
        in_order_(model.skip_missing),
        weights_(model.weights.begin(), model.weights.end()),
        bias_(model.bias.begin(), model.bias.end()) {}

  void score(const Rows& rows, void* scores, unsigned /*num_threads*/) const override {
    constexpr size_t kSmall = 256;
    Real small[kSmall];
    std::vector<Real> large(n_features_ > kSmall ? n_features_ : 0);
    Real* scratch = large.empty() ? small : large.data();
    auto* out = static_cast<Real*>(scores);
    for (size_t r = 0; r < rows.count; ++r) {
      const Real* x = packed_row(rows, r, scratch);
      for (size_t k = 0; k < bias_.size(); ++k) {
        const Real* w = weights_.data() + k * n_features_;
        *out++ = in_order_ ? dot_present(bias_[k], x, w, n_features_)
                           : dot(x, w, n_features_) + bias_[k];
      }
    }
  }

  double cost_ns(size_t rows) const override {
    return static_cast<double>(rows) * (4.0 + 0.4 * static_cast<double>(weights_.size()));
  }
  std::vector<KernelChoice> choices() const override { return {{1, "linear"}}; }
  size_t bytes() const override { return (weights_.size() + bias_.size()) * sizeof(Real); }

 private:
  size_t n_features_;
  bool in_order_;
  AlignedVector<Real> weights_;
  AlignedVector<Real> bias_;
};

}  // namespace

Result<std::shared_ptr<const Plan>> make_linear_plan(std::shared_ptr<const Description> model) {
  const Linear& linear = std::get<Linear>(model->scorer);
  if (linear.arithmetic == NumberType::kFloat32)
    return std::shared_ptr<const Plan>(std::make_shared<LinearPlan<float>>(linear));
  return std::shared_ptr<const Plan>(std::make_shared<LinearPlan<double>>(linear));
}

}  // namespace spinney::plan
