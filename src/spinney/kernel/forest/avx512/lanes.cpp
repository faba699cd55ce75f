#include "spinney/kernel/forest/avx512/lanes.h"

#include "spinney/rank/avx512/rank_rows.h"

namespace spinney::kernel {
namespace {

class Lanes final : public ForestEvaluator {
 public:
  Lanes(const Forest& forest, std::shared_ptr<const rank::Ranker> ranker,
        std::unique_ptr<LanesLayout> layout)
      : settings_(forest.settings()),
        n_trees_(forest.n_trees()),
        ranker_(std::move(ranker)),
        view_(*ranker_),
        layout_(std::move(layout)),
        registers_(view_.n_columns <= 64    ? 1
                   : view_.n_columns <= 128 ? 2
                                            : 4) {}

  std::string_view name() const override { return "lanes.avx512vbmi"; }
  size_t bytes() const override { return layout_->bytes(); }

  double cost_ns(size_t rows) const override {
    const auto trees = static_cast<double>(n_trees_);
    const double per_row =
        10 + ranker_->row_cost_ns() +
        layout_->position_count * (0.25 + 0.2 * static_cast<double>(registers_)) +
        trees * 0.6 * static_cast<double>(settings_.leaf_width) + layout_->walk_words * 1.5 +
        layout_->walk_steps * 0.45;
    return 10 + static_cast<double>(rows) * per_row;
  }

  void score(const Rows& rows, Scores scores) const override {
    const LanesView lanes{layout_->groups.data(),      layout_->groups.size(),
                          layout_->walks.data(),       layout_->tests.data(),
                          layout_->leaf_begins.data(), layout_->starts.data(),
                          layout_->next.data(),        layout_->floats.data(),
                          layout_->doubles.data(),     settings_.leaf_width};
    // The first row fills what the ranks leave over; its bytes are never compared.
    alignas(64) uint8_t ranks[kLaneColumnsMax] = {};
    for (size_t r = 0; r < rows.count; ++r) {
      rank::avx512::rank_row(view_, rows, r, ranks);
      if (settings_.accumulator == NumberType::kFloat32)
        avx512vbmi::add_lanes(lanes, ranks, registers_,
                              static_cast<float*>(scores.data) + r * scores.row_stride);
      else
        avx512vbmi::add_lanes(lanes, ranks, registers_,
                              static_cast<double*>(scores.data) + r * scores.row_stride);
    }
  }

 private:
  ForestSettings settings_;
  size_t n_trees_;
  std::shared_ptr<const rank::Ranker> ranker_;
  rank::View view_;
  std::unique_ptr<LanesLayout> layout_;
  size_t registers_;
};

}  // namespace

Result<std::unique_ptr<ForestEvaluator>> make_lanes_avx512vbmi(const Forest& forest,
                                                               SharedTables& shared) {
  SPINNEY_TRY(LanesLayout::check(forest));
  SPINNEY_ASSIGN(auto ranker, shared.ranker());
  SPINNEY_ASSIGN(auto layout, LanesLayout::make(forest, *ranker));
  return std::unique_ptr<ForestEvaluator>(
      std::make_unique<Lanes>(forest, std::move(ranker), std::move(layout)));
}

}  // namespace spinney::kernel
