#include "spinney/plan/coded_plan.h"

#include <algorithm>
#include <cmath>

namespace spinney::plan {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

double encode(const NumberCodes& codes, double value) {
  const auto found = std::lower_bound(codes.values.begin(), codes.values.end(), value);
  if (found == codes.values.end() || *found != value) return std::nan("");
  return static_cast<double>(found - codes.values.begin());
}

class CodedPlan final : public Plan {
 public:
  CodedPlan(std::shared_ptr<const Plan> plan, std::shared_ptr<const Description> model)
      : plan_(std::move(plan)), model_(std::move(model)) {}

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    const size_t row_bytes = model_->n_outputs() * size_of(model_->score_type());
    const size_t block = std::max<size_t>(64, kBlockBytes / std::max<size_t>(8, rows.width * 8));
    for (size_t first = 0; first < rows.count; first += block) {
      const Rows part = rows.slice(first, std::min(block, rows.count - first));
      const CodedRows coded(part, model_->number_codes);
      plan_->score(coded.view(), static_cast<char*>(scores) + first * row_bytes, num_threads);
    }
  }

  double cost_ns(size_t rows) const override { return plan_->cost_ns(rows); }
  std::vector<KernelChoice> choices() const override { return plan_->choices(); }
  size_t bytes() const override { return plan_->bytes(); }

 private:
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<const Description> model_;
};

}  // namespace

CodedRows::CodedRows(const Rows& rows, const std::vector<NumberCodes>& codes)
    : copy_(rows.count * rows.width), view_(dense_rows(copy_.data(), rows.count, rows.width)) {
  for (size_t r = 0; r < rows.count; ++r)
    for (size_t c = 0; c < rows.width; ++c) copy_[r * rows.width + c] = rows.at(r, c);
  for (const NumberCodes& column : codes)
    for (size_t r = 0; r < rows.count; ++r) {
      double& value = copy_[r * rows.width + column.feature];
      value = encode(column, value);
    }
}

std::shared_ptr<const Plan> make_coded_plan(std::shared_ptr<const Plan> plan,
                                            std::shared_ptr<const Description> model) {
  return std::make_shared<CodedPlan>(std::move(plan), std::move(model));
}

}  // namespace spinney::plan
