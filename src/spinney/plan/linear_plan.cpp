#include "spinney/plan/linear_plan.h"

#include <vector>

#include "spinney/kernel/linear/dots.h"
#include "spinney/model/stored_entries.h"
#include "spinney/plan/packed_rows.h"

namespace spinney::plan {
namespace {

using kernel::PackedRows;

// Weights as the kernels multiply them: rounded to float32 where that is the model's arithmetic, as
// only products of two float32 numbers are exact in double.
std::vector<double> rounded_weights(const Linear& model) {
  std::vector<double> weights(model.weights.begin(), model.weights.end());
  if (model.arithmetic == NumberType::kFloat32)
    for (double& weight : weights) weight = static_cast<double>(static_cast<float>(weight));
  return weights;
}

// Converts sums to the scores' type and adds the intercepts in that type.
template <typename Sum, typename Score>
void add_intercepts(const Sum* sums, size_t rows, const std::vector<double>& intercepts,
                    Score* scores) {
  const size_t n = intercepts.size();
  if (n == 1) {
    const auto intercept = static_cast<Score>(intercepts[0]);
    for (size_t r = 0; r < rows; ++r) scores[r] = static_cast<Score>(sums[r]) + intercept;
    return;
  }
  for (size_t r = 0; r < rows; ++r)
    for (size_t k = 0; k < n; ++k)
      scores[r * n + k] = static_cast<Score>(sums[r * n + k]) + static_cast<Score>(intercepts[k]);
}

template <typename Score>
class LinearPlan final : public Plan {
 public:
  explicit LinearPlan(const Linear& model)
      : narrow_(model.arithmetic == NumberType::kFloat32),
        weights_(rounded_weights(model), model.n_features, model.n_outputs),
        intercepts_(model.bias.begin(), model.bias.end()) {}

  void score(const Rows& rows, void* scores, unsigned /*num_threads*/) const override {
    auto* out = static_cast<Score*>(scores);
    const bool floats = narrow_ && rows.type == NumberType::kFloat32;
    if (rows.stored) return floats ? add_stored<float>(rows, out) : add_stored<double>(rows, out);
    if (floats) return add_dense<float, float>(rows, dots_.floats, out);
    if (rows.type == NumberType::kFloat32)
      return add_dense<float, double>(rows, dots_.widened, out);
    add_dense<double, double>(rows, dots_.doubles, out);
  }

  double cost_ns(size_t rows) const override {
    const double terms = static_cast<double>(weights_.n_features() * weights_.n_outputs());
    return static_cast<double>(rows) *
           (12.0 * static_cast<double>(weights_.n_outputs()) + 0.3 * terms);
  }
  std::vector<KernelChoice> choices() const override { return {{1, "linear"}}; }
  size_t bytes() const override { return weights_.bytes() + intercepts_.size() * sizeof(double); }

 private:
  template <typename Number, typename Sum>
  using Kernel = void (*)(const kernel::DotWeights&, const PackedRows<Number>&, Sum*);

  template <typename Number, typename Sum>
  void add_dense(const Rows& rows, Kernel<Number, Sum> dots, Score* out) const {
    const size_t n = intercepts_.size();
    in_packed_blocks<Number>(rows, [&](const PackedRows<Number>& packed, size_t first) {
      Score* scores = out + first * n;
      if constexpr (std::is_same_v<Sum, Score>) {
        dots(weights_, packed, scores);
        add_intercepts(scores, packed.count, intercepts_, scores);
      } else {
        std::vector<Sum> sums(packed.count * n);
        dots(weights_, packed, sums.data());
        add_intercepts(sums.data(), packed.count, intercepts_, scores);
      }
    });
  }

  // scipy's order: from 0, each stored entry's product in turn.
  template <typename Sum>
  void add_stored(const Rows& rows, Score* out) const {
    const size_t n = intercepts_.size();
    if (n == 1) return add_stored_singly<Sum>(rows, out);
    std::vector<Sum> sums(n);
    for (size_t r = 0; r < rows.count; ++r) {
      std::fill(sums.begin(), sums.end(), Sum{0});
      for_each_stored(rows, r, [&](size_t column, double value) {
        for (size_t k = 0; k < n; ++k)
          sums[k] += static_cast<Sum>(value) * static_cast<Sum>(weights_.weights(k)[column]);
      });
      add_intercepts(sums.data(), 1, intercepts_, out + r * n);
    }
  }

  // A single sum stays in a register.
  template <typename Sum>
  void add_stored_singly(const Rows& rows, Score* out) const {
    const double* weights = weights_.weights(0);
    for (size_t r = 0; r < rows.count; ++r) {
      Sum sum{0};
      for_each_stored(rows, r, [&](size_t column, double value) {
        sum += static_cast<Sum>(value) * static_cast<Sum>(weights[column]);
      });
      add_intercepts(&sum, 1, intercepts_, out + r);
    }
  }

  bool narrow_;
  kernel::DotWeights weights_;
  std::vector<double> intercepts_;
  const kernel::Dots& dots_ = kernel::best_dots();
};

}  // namespace

Result<std::shared_ptr<const Plan>> make_linear_plan(std::shared_ptr<const Description> model) {
  const Linear& linear = std::get<Linear>(model->scorer);
  if (linear.skip_missing) return make_gblinear_plan(linear);
  if (linear.score_type() == NumberType::kFloat32)
    return std::shared_ptr<const Plan>(std::make_shared<LinearPlan<float>>(linear));
  return std::shared_ptr<const Plan>(std::make_shared<LinearPlan<double>>(linear));
}

}  // namespace spinney::plan
