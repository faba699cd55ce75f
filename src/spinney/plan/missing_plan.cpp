#include "spinney/plan/missing_plan.h"

#include <algorithm>
#include <cmath>

#include "spinney/model/stored_entries.h"

namespace spinney::plan {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

template <typename Real>
void mark(const Rows& rows, float missing, Real* out) {
  for (size_t r = 0; r < rows.count; ++r)
    for (size_t c = 0; c < rows.width; ++c) {
      const auto value = static_cast<Real>(rows.at(r, c));
      *out++ = static_cast<float>(value) == missing ? static_cast<Real>(std::nan("")) : value;
    }
}

class MissingPlan final : public Plan {
 public:
  MissingPlan(std::shared_ptr<const Plan> plan, double missing, size_t row_bytes)
      : plan_(std::move(plan)), missing_(missing), row_bytes_(row_bytes) {}

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    const size_t width_bytes = std::max<size_t>(1, rows.width * size_of(rows.type));
    const size_t block = std::max<size_t>(64, kBlockBytes / width_bytes);
    for (size_t first = 0; first < rows.count; first += block) {
      const MarkedRows marked(rows.slice(first, std::min(block, rows.count - first)), missing_);
      plan_->score(marked.view(), static_cast<char*>(scores) + first * row_bytes_, num_threads);
    }
  }

  double cost_ns(size_t rows) const override { return plan_->cost_ns(rows); }
  std::vector<KernelChoice> choices() const override { return plan_->choices(); }
  size_t bytes() const override { return plan_->bytes(); }

 private:
  std::shared_ptr<const Plan> plan_;
  double missing_;
  size_t row_bytes_;
};

}  // namespace

MarkedRows::MarkedRows(const Rows& rows, double missing) : view_(rows) {
  const size_t item = size_of(rows.type);
  copy_.resize((rows.count * rows.width * item + 7) / 8);
  const auto number = static_cast<float>(missing);
  if (rows.type == NumberType::kFloat32)
    mark(rows, number, reinterpret_cast<float*>(copy_.data()));
  else
    mark(rows, number, copy_.data());
  view_.data = copy_.data();
  view_.row_stride = static_cast<ptrdiff_t>(rows.width * item);
  view_.column_stride = static_cast<ptrdiff_t>(item);
  if (!rows.stored) return;
  for (size_t r = 0; r < rows.count; ++r) {
    for_each_stored(rows, r, [&](size_t column, double value) {
      stored_.add(column, static_cast<float>(value) == number ? std::nan("") : value);
    });
    stored_.end_row();
  }
  stored_.attach(view_);
}

std::shared_ptr<const Plan> make_missing_plan(std::shared_ptr<const Plan> plan, double missing,
                                              size_t n_outputs, NumberType score_type) {
  return std::make_shared<MissingPlan>(std::move(plan), missing, n_outputs * size_of(score_type));
}

}  // namespace spinney::plan
