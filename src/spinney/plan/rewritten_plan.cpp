#include "spinney/plan/rewritten_plan.h"

#include <algorithm>
#include <cmath>

#include "spinney/model/stored_entries.h"

namespace spinney::plan {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr size_t kChunkRowsMin = 64;

template <typename Real>
void mark(const Rows& rows, float missing, Real* out) {
  for (size_t r = 0; r < rows.count; ++r)
    for (size_t c = 0; c < rows.width; ++c) {
      const auto value = static_cast<Real>(rows.at(r, c));
      *out++ = static_cast<float>(value) == missing ? static_cast<Real>(std::nan("")) : value;
    }
}

double encode(const NumberCodes& codes, double value) {
  const auto found = std::lower_bound(codes.values.begin(), codes.values.end(), value);
  if (found == codes.values.end() || *found != value) return std::nan("");
  return static_cast<double>(found - codes.values.begin());
}

// What is done to rows: the copy that holds the result, and the bytes of one of its values.
struct Marking {
  double missing;
  MarkedRows of(const Rows& rows) const { return {rows, missing}; }
  static size_t value_bytes(const Rows& rows) { return size_of(rows.type); }
};
struct Coding {
  std::shared_ptr<const Description> model;
  CodedRows of(const Rows& rows) const { return {rows, model->number_codes}; }
  static size_t value_bytes(const Rows&) { return sizeof(double); }
};

template <typename Change>
class RewrittenPlan final : public Plan {
 public:
  RewrittenPlan(std::shared_ptr<const Plan> plan, Change change, const Description& model)
      : plan_(std::move(plan)),
        change_(std::move(change)),
        row_bytes_(model.n_outputs() * size_of(model.score_type())) {}

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    in_chunks(rows, scores,
              [&](const Rows& chunk, void* out) { plan_->score(chunk, out, num_threads); });
  }
  void add(const Rows& rows, void* scores, unsigned num_threads) const override {
    in_chunks(rows, scores,
              [&](const Rows& chunk, void* out) { plan_->add(chunk, out, num_threads); });
  }
  bool can_add() const override { return plan_->can_add(); }

  double cost_ns(size_t rows) const override { return plan_->cost_ns(rows); }
  std::vector<KernelChoice> choices() const override { return plan_->choices(); }
  size_t bytes() const override { return plan_->bytes(); }

 private:
  template <typename Step>
  void in_chunks(const Rows& rows, void* scores, Step&& step) const {
    const size_t copied = std::max<size_t>(1, rows.width * Change::value_bytes(rows));
    const size_t chunk = std::max(kChunkRowsMin, kChunkBytes / copied);
    for (size_t first = 0; first < rows.count; first += chunk) {
      const auto copy = change_.of(rows.slice(first, std::min(chunk, rows.count - first)));
      step(copy.view(), static_cast<char*>(scores) + first * row_bytes_);
    }
  }

  std::shared_ptr<const Plan> plan_;
  Change change_;
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

std::shared_ptr<const Plan> make_missing_plan(std::shared_ptr<const Plan> plan, double missing,
                                              const Description& model) {
  return std::make_shared<RewrittenPlan<Marking>>(std::move(plan), Marking{missing}, model);
}

std::shared_ptr<const Plan> make_coded_plan(std::shared_ptr<const Plan> plan,
                                            std::shared_ptr<const Description> model) {
  const Description& described = *model;
  return std::make_shared<RewrittenPlan<Coding>>(std::move(plan), Coding{std::move(model)},
                                                 described);
}

}  // namespace spinney::plan
