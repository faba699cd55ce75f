#include "spinney/plan/forest_plan.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "spinney/cpu/features.h"
#include "spinney/kernel/forest/registry.h"

namespace spinney::plan {
namespace {

using kernel::ForestEvaluator;

template <typename Real>
void fill_base(const Forest& forest, size_t rows, Real* scores) {
  const size_t n = forest.settings().n_outputs;
  for (size_t r = 0; r < rows; ++r)
    for (size_t k = 0; k < n; ++k) scores[r * n + k] = static_cast<Real>(forest.base[k]);
}

template <typename Real>
void divide(const Forest& forest, size_t rows, Real* scores) {
  const auto divisor = static_cast<Real>(forest.settings().divisor);
  if (divisor == Real{1}) return;
  const size_t n = rows * forest.settings().n_outputs;
  for (size_t i = 0; i < n; ++i) scores[i] /= divisor;
}

class ForestPlan final : public Plan {
 public:
  ForestPlan(std::shared_ptr<const Description> model,
             std::vector<std::unique_ptr<ForestEvaluator>> evaluators)
      : model_(std::move(model)),
        forest_(std::get<Forest>(model_->scorer)),
        evaluators_(std::move(evaluators)) {}

  void score(const Rows& rows, void* scores, unsigned /*num_threads*/) const override {
    if (forest_.settings().accumulator == NumberType::kFloat32)
      score_typed(rows, static_cast<float*>(scores));
    else
      score_typed(rows, static_cast<double*>(scores));
  }

  double cost_ns(size_t rows) const override { return best(rows).cost_ns(rows); }

  std::vector<KernelChoice> choices() const override {
    std::vector<KernelChoice> choices;
    for (const size_t rows : {1, 2, 4, 8, 16, 32, 64, 128, 1024, 10000}) {
      const std::string kernel(best(rows).name());
      if (choices.empty() || choices.back().kernel != kernel) choices.push_back({rows, kernel});
    }
    return choices;
  }

  size_t bytes() const override {
    size_t total = 0;
    for (const auto& evaluator : evaluators_) total += evaluator->bytes();
    return total;
  }

 private:
  const ForestEvaluator& best(size_t rows) const {
    const ForestEvaluator* found = evaluators_.front().get();
    for (const auto& evaluator : evaluators_)
      if (evaluator->cost_ns(rows) < found->cost_ns(rows)) found = evaluator.get();
    return *found;
  }

  template <typename Real>
  void score_typed(const Rows& rows, Real* scores) const {
    fill_base(forest_, rows.count, scores);
    best(rows.count).score(rows, {scores, forest_.settings().n_outputs});
    divide(forest_, rows.count, scores);
  }

  std::shared_ptr<const Description> model_;
  const Forest& forest_;
  std::vector<std::unique_ptr<ForestEvaluator>> evaluators_;
};

}  // namespace

Result<std::shared_ptr<const Plan>> make_forest_plan(std::shared_ptr<const Description> model) {
  const Forest& forest = std::get<Forest>(model->scorer);
  const char* forced = std::getenv("SPINNEY_KERNEL");
  std::vector<std::unique_ptr<ForestEvaluator>> evaluators;
  std::string reasons;
  for (const kernel::KernelEntry& entry : kernel::registry()) {
    if (forced && *forced && entry.name != forced) continue;
    if (entry.isa > cpu::usable_isa()) {
      reasons += " This CPU, or SPINNEY_ISA, lacks " + std::string(cpu::name(entry.isa)) + ".";
      continue;
    }
    auto evaluator = entry.make(forest);
    if (evaluator.ok())
      evaluators.push_back(std::move(evaluator).value());
    else
      reasons += " " + evaluator.error().message;
  }
  if (evaluators.empty())
    return unsupported("SPINNEY_KERNEL=" + std::string(forced ? forced : "") +
                       " cannot run this model." +
                       (reasons.empty() ? " No kernel has that name." : reasons));
  return std::shared_ptr<const Plan>(
      std::make_shared<ForestPlan>(std::move(model), std::move(evaluators)));
}

}  // namespace spinney::plan
