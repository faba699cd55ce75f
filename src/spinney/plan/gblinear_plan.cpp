// gblinear's own order: the bias, then each present value's term, from the first column on. XGBoost
// sorts the entries of sparse rows by column and keeps those that name a column twice.
#include <algorithm>
#include <cmath>
#include <vector>

#include "spinney/base/aligned.h"
#include "spinney/model/stored_entries.h"
#include "spinney/plan/linear_plan.h"
#include "spinney/plan/packed_rows.h"

namespace spinney::plan {
namespace {

template <typename Real>
class GblinearPlan final : public Plan {
 public:
  explicit GblinearPlan(const Linear& model)
      : n_features_(model.n_features),
        weights_(model.weights.begin(), model.weights.end()),
        bias_(model.bias.begin(), model.bias.end()) {}

  void score(const Rows& rows, void* scores, unsigned /*num_threads*/) const override {
    auto* out = static_cast<Real*>(scores);
    if (rows.stored) return score_stored(rows, out);
    if (rows.type == NumberType::kFloat32) return score_dense<float>(rows, out);
    score_dense<double>(rows, out);
  }

  double cost_ns(size_t rows) const override {
    return static_cast<double>(rows) * (4.0 + 0.4 * static_cast<double>(weights_.size()));
  }
  std::vector<KernelChoice> choices() const override { return {{1, "linear"}}; }
  size_t bytes() const override { return (weights_.size() + bias_.size()) * sizeof(Real); }

 private:
  template <typename Number>
  void score_dense(const Rows& rows, Real* out) const {
    in_packed_blocks<Number>(rows, [&](const kernel::PackedRows<Number>& packed, size_t) {
      for (size_t r = 0; r < packed.count; ++r) {
        const Number* x = packed.data + static_cast<ptrdiff_t>(r) * packed.stride;
        for (size_t k = 0; k < bias_.size(); ++k) *out++ = dense_sum(x, k);
      }
    });
  }

  template <typename Number>
  Real dense_sum(const Number* x, size_t k) const {
    const Real* w = weights_.data() + k * n_features_;
    Real sum = bias_[k];
    for (size_t j = 0; j < n_features_; ++j)
      if (!std::isnan(x[j])) sum += static_cast<Real>(x[j]) * w[j];
    return sum;
  }

  struct Entry {
    size_t column;
    Real value;
  };

  void score_stored(const Rows& rows, Real* out) const {
    const auto by_column = [](const Entry& a, const Entry& b) { return a.column < b.column; };
    std::vector<Entry> entries;
    for (size_t r = 0; r < rows.count; ++r, out += bias_.size()) {
      entries.clear();
      for_each_stored(rows, r, [&](size_t column, double value) {
        if (!std::isnan(value)) entries.push_back({column, static_cast<Real>(value)});
      });
      // std::sort, which is not stable, as in XGBoost: equal columns end up in the same order.
      if (!std::is_sorted(entries.begin(), entries.end(), by_column))
        std::sort(entries.begin(), entries.end(), by_column);
      std::copy(bias_.begin(), bias_.end(), out);
      for (const Entry& entry : entries)
        for (size_t k = 0; k < bias_.size(); ++k)
          out[k] += entry.value * weights_[k * n_features_ + entry.column];
    }
  }

  size_t n_features_;
  AlignedVector<Real> weights_;
  AlignedVector<Real> bias_;
};

}  // namespace

std::shared_ptr<const Plan> make_gblinear_plan(const Linear& linear) {
  if (linear.arithmetic == NumberType::kFloat32)
    return std::make_shared<GblinearPlan<float>>(linear);
  return std::make_shared<GblinearPlan<double>>(linear);
}

}  // namespace spinney::plan
