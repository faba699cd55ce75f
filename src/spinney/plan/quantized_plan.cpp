#include "spinney/plan/quantized_plan.h"

#include <algorithm>

namespace spinney::plan {
namespace {

// Sums whose type differs from the scores' are kept in a buffer of so many rows.
constexpr size_t kChunkRows = 16384;

template <typename Sum, typename Score>
class QuantizedPlan final : public Plan {
 public:
  QuantizedPlan(std::shared_ptr<const Plan> sums, const Quantization& quantization)
      : sums_(std::move(sums)), scales_(quantization.scales), offsets_(quantization.offsets) {}

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    auto* out = static_cast<Score*>(scores);
    if constexpr (sizeof(Sum) == sizeof(Score)) {
      sums_->score(rows, out, num_threads);
      finish(out, rows.count, out);
    } else {
      static thread_local std::vector<Sum> apart;
      const size_t n = scales_.size();
      for (size_t first = 0; first < rows.count; first += kChunkRows) {
        const size_t count = std::min(kChunkRows, rows.count - first);
        if (apart.size() < count * n) apart.resize(count * n);
        sums_->score(rows.slice(first, count), apart.data(), num_threads);
        finish(apart.data(), count, out + first * n);
      }
    }
  }

  double cost_ns(size_t rows) const override {
    return sums_->cost_ns(rows) + static_cast<double>(rows * scales_.size());
  }
  std::vector<KernelChoice> choices() const override { return sums_->choices(); }
  size_t bytes() const override { return sums_->bytes(); }

 private:
  void finish(const Sum* sums, size_t rows, Score* out) const {
    const size_t n = scales_.size();
    for (size_t r = 0; r < rows; ++r)
      for (size_t k = 0; k < n; ++k)
        out[r * n + k] =
            static_cast<Score>(offsets_[k] + scales_[k] * static_cast<double>(sums[r * n + k]));
  }

  std::shared_ptr<const Plan> sums_;
  std::vector<double> scales_, offsets_;
};

template <typename Sum>
std::shared_ptr<const Plan> make(std::shared_ptr<const Plan> sums,
                                 const Quantization& quantization) {
  if (quantization.score_type == NumberType::kFloat32)
    return std::make_shared<QuantizedPlan<Sum, float>>(std::move(sums), quantization);
  return std::make_shared<QuantizedPlan<Sum, double>>(std::move(sums), quantization);
}

}  // namespace

std::shared_ptr<const Plan> make_quantized_plan(std::shared_ptr<const Plan> sums,
                                                NumberType sum_type,
                                                const Quantization& quantization) {
  if (sum_type == NumberType::kFloat32) return make<float>(std::move(sums), quantization);
  return make<double>(std::move(sums), quantization);
}

}  // namespace spinney::plan
