// Two native back ends as one, for models whose answers to float64 rows are of a wider type.
#include <algorithm>
#include <vector>

#include "spinney/backend/backend.h"

namespace spinney::backend {
namespace {

class PromotingBackend final : public Backend {
 public:
  PromotingBackend(std::shared_ptr<const Backend> narrow, std::shared_ptr<const Backend> wide)
      : narrow_(std::move(narrow)), wide_(std::move(wide)) {}

  size_t width() const override { return narrow_->width(); }
  bool idempotent() const override { return true; }
  double cost_ns(size_t rows) const override { return wide_->cost_ns(rows); }
  size_t bytes() const override { return narrow_->bytes() + wide_->bytes(); }
  size_t replicas() const override { return narrow_->replicas(); }
  std::vector<size_t> warm_up_rows(size_t rows_max) const override {
    return narrow_->warm_up_rows(rows_max);
  }

  // One shape for both: every answer of the narrow model has a place in the wide one's.
  Result<AnswerShape> answer(AnswerKind kind) const override { return wide_->answer(kind); }

  Status score(const BatchInput& input, BatchOutput& output) const override {
    if (input.rows.type == NumberType::kFloat64) return wide_->score(input, output);
    SPINNEY_ASSIGN(const AnswerShape own, narrow_->answer(input.kind));
    SPINNEY_ASSIGN(const AnswerShape shared, wide_->answer(input.kind));
    if (own.type == shared.type) return narrow_->score(input, output);
    std::vector<float> numbers(input.rows.count * own.columns);
    BatchOutput apart;
    apart.data = numbers.data();
    SPINNEY_TRY(narrow_->score(input, apart));
    std::copy(numbers.begin(), numbers.end(), static_cast<double*>(output.data));
    return {};
  }

 private:
  std::shared_ptr<const Backend> narrow_, wide_;
};

}  // namespace

std::shared_ptr<const Backend> make_promoting(std::shared_ptr<const Backend> narrow,
                                              std::shared_ptr<const Backend> wide) {
  return std::make_shared<PromotingBackend>(std::move(narrow), std::move(wide));
}

}  // namespace spinney::backend
