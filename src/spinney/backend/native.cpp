// A model's own plan as a back end: one thread a batch, since the engine has the threads.
#include <algorithm>

#include "spinney/backend/backend.h"
#include "spinney/link/link.h"
#include "spinney/plan/answers.h"
#include "spinney/plan/near_plan.h"

namespace spinney::backend {
namespace {

ElementType element_of(NumberType type) {
  return type == NumberType::kFloat32 ? ElementType::kFloat32 : ElementType::kFloat64;
}

using plan::PlanPtr;

class NativeBackend final : public Backend {
 public:
  NativeBackend(std::shared_ptr<const Description> description, PlanPtr plan)
      : description_(std::move(description)), plan_(std::move(plan)) {
    if (const auto* near = dynamic_cast<const plan::NearPlan*>(plan_.get()))
      replicas_ = near->size();
  }

  size_t width() const override { return description_->n_features(); }
  bool idempotent() const override { return true; }
  double cost_ns(size_t rows) const override { return plan_->cost_ns(rows); }
  size_t bytes() const override { return plan_->bytes(); }
  size_t replicas() const override { return replicas_; }

  Result<AnswerShape> answer(AnswerKind kind) const override {
    const Output& output = description_->output;
    const size_t n_raw = description_->n_outputs();
    switch (kind) {
      case AnswerKind::kValues:
        return AnswerShape{link::value_columns(output, n_raw), element_of(output.value_type)};
      case AnswerKind::kProba:
        if (!output.has_probabilities) break;
        return AnswerShape{link::probability_columns(output, n_raw), element_of(output.value_type)};
      case AnswerKind::kClasses:
        if (output.decision == Decision::kValues) break;
        return AnswerShape{std::max<size_t>(output.labels.size(), 1), ElementType::kInt32};
      case AnswerKind::kRaw:
        return AnswerShape{n_raw, element_of(description_->score_type())};
    }
    return unsupported(description_->source.kind + " (objective " + output.objective +
                       ") gives no " + name_of(kind));
  }

  bool scores_together() const override { return true; }

  Status score(const BatchInput& input, BatchOutput& output) const override {
    const plan::Answers answers{*description_, *plan_, 1};
    if (output.places.size() > 1) {
      plan::Answers::Several several;
      for (const Place& place : output.places) {
        if (place.spec->name == output_of(AnswerKind::kValues)) several.values = place.data;
        if (place.spec->name == output_of(AnswerKind::kProba)) several.probabilities = place.data;
        if (place.spec->name == output_of(AnswerKind::kRaw)) several.raw = place.data;
        if (place.spec->name == output_of(AnswerKind::kClasses))
          several.classes = static_cast<int32_t*>(place.data);
      }
      answers.several(input.rows, several);
      return {};
    }
    switch (input.kind) {
      case AnswerKind::kValues:
        answers.values(input.rows, output.data);
        break;
      case AnswerKind::kProba:
        answers.probabilities(input.rows, output.data);
        break;
      case AnswerKind::kClasses:
        answers.classes(input.rows, static_cast<int32_t*>(output.data));
        break;
      case AnswerKind::kRaw:
        plan_->score(input.rows, output.data, 1);
        break;
    }
    return {};
  }

  // Each number of rows that has an entry of its own in the kernel table.
  std::vector<size_t> warm_up_rows(size_t rows_max) const override {
    std::vector<size_t> rows = Backend::warm_up_rows(rows_max);
    for (const plan::KernelChoice& choice : plan_->choices())
      if (choice.rows > 0 && choice.rows <= rows_max) rows.push_back(choice.rows);
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    return rows;
  }

 private:
  std::shared_ptr<const Description> description_;
  PlanPtr plan_;
  size_t replicas_ = 1;
};

}  // namespace

std::shared_ptr<const Backend> make_native(std::shared_ptr<const Description> description,
                                           std::shared_ptr<const plan::Plan> plan) {
  return std::make_shared<NativeBackend>(std::move(description), std::move(plan));
}

Result<std::shared_ptr<const Backend>> make_native(std::shared_ptr<const Description> description,
                                                   PlanPtr plan, const cpu::Assignment& placement,
                                                   plan::MakePlan make) {
  const auto* near = dynamic_cast<const plan::NearPlan*>(plan.get());
  if (placement.nodes.size() > 1 && !(near && near->covers(placement.nodes))) {
    if (!make) make = [&] { return plan::make_plan(description); };
    SPINNEY_ASSIGN(plan, plan::NearPlan::make(placement, make));
  }
  return make_native(std::move(description), std::move(plan));
}

}  // namespace spinney::backend
