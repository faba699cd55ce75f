#include "spinney/plan/encoded_plan.h"

#include <algorithm>

namespace spinney::plan {
namespace {

constexpr size_t kChunkRows = 1024;

class EncodedPlan final : public Plan {
 public:
  EncodedPlan(std::shared_ptr<const Plan> plan, std::shared_ptr<const Description> model)
      : plan_(std::move(plan)), model_(std::move(model)), tables_(*model_->category_tables) {}

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    static thread_local std::vector<float> encoded;
    const size_t width = tables_.width();
    const size_t row_bytes = model_->n_outputs() * size_of(model_->score_type());
    for (size_t first = 0; first < rows.count; first += kChunkRows) {
      const size_t n = std::min(kChunkRows, rows.count - first);
      if (encoded.size() < n * width) encoded.resize(n * width);
      tables_.encode(rows, first, n, encoded.data());
      plan_->score(dense_rows(encoded.data(), n, width),
                   static_cast<char*>(scores) + first * row_bytes, num_threads);
    }
  }

  double cost_ns(size_t rows) const override {
    const double columns = static_cast<double>(tables_.width() + 8 * tables_.tables.size());
    return plan_->cost_ns(rows) + static_cast<double>(rows) * columns * 3;
  }
  std::vector<KernelChoice> choices() const override { return plan_->choices(); }
  size_t bytes() const override { return plan_->bytes(); }

 private:
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<const Description> model_;
  const CategoryTables& tables_;
};

}  // namespace

EncodedRows::EncodedRows(const Rows& rows, const CategoryTables& tables)
    : copy_(rows.count * tables.width()),
      view_(dense_rows(copy_.data(), rows.count, tables.width())) {
  tables.encode(rows, 0, rows.count, copy_.data());
}

std::shared_ptr<const Plan> make_encoded_plan(std::shared_ptr<const Plan> plan,
                                              std::shared_ptr<const Description> model) {
  return std::make_shared<EncodedPlan>(std::move(plan), std::move(model));
}

}  // namespace spinney::plan
