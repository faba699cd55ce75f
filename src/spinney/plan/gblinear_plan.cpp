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
        bias_(model.bias.begin(), model.bias.end()),
        own_bias_(model.own_bias.begin(), model.own_bias.end()) {}

  void score(const Rows& rows, void* scores, unsigned /*num_threads*/) const override {
    score_from(rows, static_cast<Real*>(scores), [this](size_t k, Real) { return bias_[k]; });
  }
  bool can_add() const override { return !own_bias_.empty(); }
  void add(const Rows& rows, void* scores, unsigned /*num_threads*/) const override {
    score_from(rows, static_cast<Real*>(scores),
               [this](size_t k, Real base) { return own_bias_[k] + base; });
  }

  double cost_ns(size_t rows) const override {
    return static_cast<double>(rows) * (4.0 + 0.4 * static_cast<double>(weights_.size()));
  }
  std::vector<KernelChoice> choices() const override { return {{1, "linear"}}; }
  size_t bytes() const override {
    return (weights_.size() + bias_.size() + own_bias_.size()) * sizeof(Real);
  }

 private:
  // start(k, the score that is there): what the sum of output k begins with.
  template <typename Start>
  void score_from(const Rows& rows, Real* out, Start&& start) const {
    if (rows.stored) return score_stored(rows, out, start);
    if (rows.type == NumberType::kFloat32) return score_dense<float>(rows, out, start);
    score_dense<double>(rows, out, start);
  }

  template <typename Number, typename Start>
  void score_dense(const Rows& rows, Real* out, const Start& start) const {
    in_packed_blocks<Number>(rows, [&](const kernel::PackedRows<Number>& packed, size_t) {
      for (size_t r = 0; r < packed.count; ++r) {
        const Number* x = packed.data + static_cast<ptrdiff_t>(r) * packed.stride;
        for (size_t k = 0; k < bias_.size(); ++k, ++out) *out = dense_sum(x, k, start(k, *out));
      }
    });
  }

  template <typename Number>
  Real dense_sum(const Number* x, size_t k, Real sum) const {
    const Real* w = weights_.data() + k * n_features_;
    for (size_t j = 0; j < n_features_; ++j)
      if (!std::isnan(x[j])) sum += static_cast<Real>(x[j]) * w[j];
    return sum;
  }

  struct Entry {
    size_t column;
    Real value;
  };

  template <typename Start>
  void score_stored(const Rows& rows, Real* out, const Start& start) const {
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
      for (size_t k = 0; k < bias_.size(); ++k) out[k] = start(k, out[k]);
      for (const Entry& entry : entries)
        for (size_t k = 0; k < bias_.size(); ++k)
          out[k] += entry.value * weights_[k * n_features_ + entry.column];
    }
  }

  size_t n_features_;
  AlignedVector<Real> weights_;
  AlignedVector<Real> bias_;
  AlignedVector<Real> own_bias_;
};

}  // namespace

std::shared_ptr<const Plan> make_gblinear_plan(const Linear& linear) {
  if (linear.arithmetic == NumberType::kFloat32)
    return std::make_shared<GblinearPlan<float>>(linear);
  return std::make_shared<GblinearPlan<double>>(linear);
}

}  // namespace spinney::plan
