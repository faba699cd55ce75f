#include "spinney/plan/started_plan.h"

#include <cstring>
#include <string>

namespace spinney::plan {
namespace {

template <typename Real>
void add_all(const void* numbers, size_t count, void* scores) {
  const auto* from = static_cast<const Real*>(numbers);
  auto* to = static_cast<Real*>(scores);
  for (size_t i = 0; i < count; ++i) to[i] += from[i];
}

class StartedPlan final : public Plan {
 public:
  StartedPlan(std::shared_ptr<const Plan> plan, const Description& model, Start start,
              const void* numbers)
      : plan_(std::move(plan)),
        start_(start),
        type_(model.score_type()),
        columns_(model.n_outputs()),
        next_(static_cast<const char*>(numbers)) {}

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    const size_t count = rows.count * columns_;
    const char* numbers = next_;
    next_ += count * size_of(type_);
    if (start_ == Start::kInPlaceOfBase) {
      if (count > 0) std::memcpy(scores, numbers, count * size_of(type_));
      return plan_->add(rows, scores, num_threads);
    }
    plan_->score(rows, scores, num_threads);
    if (type_ == NumberType::kFloat32)
      add_all<float>(numbers, count, scores);
    else
      add_all<double>(numbers, count, scores);
  }
  double cost_ns(size_t rows) const override { return plan_->cost_ns(rows); }
  std::vector<KernelChoice> choices() const override { return plan_->choices(); }
  size_t bytes() const override { return plan_->bytes(); }

 private:
  std::shared_ptr<const Plan> plan_;
  Start start_;
  NumberType type_;
  size_t columns_;
  mutable const char* next_;  // those of the rows to come
};

std::string why_not(const Description& model) {
  if (model.quantization)
    return "base_margin has no meaning to a quantized " + model.source.kind +
           ", whose codes are summed before anything is added; give it to the model itself";
  if (std::holds_alternative<Linear>(model.scorer))
    return "this file keeps the bias of gblinear with its base added, which base_margin stands in "
           "place of; load the file that XGBoost saved";
  return "base_margin goes with a forest or gblinear, not with a " + model.source.kind +
         " that begins its sum otherwise";
}

}  // namespace

Result<std::shared_ptr<const Plan>> make_started_plan(std::shared_ptr<const Plan> plan,
                                                      const Description& model, Start start,
                                                      const void* numbers) {
  if (start == Start::kInPlaceOfBase && !plan->can_add()) return unsupported(why_not(model));
  return std::shared_ptr<const Plan>(
      std::make_shared<StartedPlan>(std::move(plan), model, start, numbers));
}

}  // namespace spinney::plan
