#include "spinney/kernel/forest/blocks/evaluator.h"

#include <algorithm>

#include "spinney/kernel/forest/scratch.h"

namespace spinney::kernel::blocks {
namespace {

using rank::kBlockRows;

// Blocks per chunk: enough that a group of trees, once in the L1 cache, serves many of them.
constexpr size_t kChunkBlocks = 16;
constexpr size_t kChunkBytesMax = 256 * 1024;

class Blocks final : public ForestEvaluator {
 public:
  Blocks(const Forest& forest, const Variant& variant, std::shared_ptr<const rank::Ranker> ranker,
         std::unique_ptr<BlocksLayout> layout)
      : settings_(forest.settings()),
        variant_(variant),
        ranker_(std::move(ranker)),
        view_(*ranker_),
        layout_(std::move(layout)),
        has_program_(!layout_->steps.empty()) {
    for (size_t r = 0; r < kBlockRows; ++r)
      positions_[r] = static_cast<uint8_t>(sum_position(r, variant_.vector_rows, doubles()));
    const size_t block_bytes = view_.n_columns * kBlockRows + sum_bytes();
    chunk_blocks_ =
        std::clamp<size_t>(kChunkBytesMax / std::max<size_t>(block_bytes, 1), 4, kChunkBlocks) &
        ~size_t{3};
  }

  std::string_view name() const override { return variant_.name; }
  size_t bytes() const override { return layout_->bytes(); }

  double cost_ns(size_t rows) const override {
    const Costs& costs = variant_.costs;
    const size_t vectors = (rows + variant_.vector_rows - 1) / variant_.vector_rows;
    const double per_vector =
        static_cast<double>(variant_.vector_rows) * 1.25 +
        static_cast<double>(view_.n_columns) * costs.column +
        layout_->nodes_evaluated * (vectors > 1 ? costs.paired_node : costs.node) +
        steps() * (vectors > 1 ? costs.paired_step : costs.step) +
        layout_->planes_fetched * costs.plane + layout_->sixteens_fetched * costs.sixteen;
    return 60 + static_cast<double>(vectors) * per_vector;
  }

  void score(const Rows& rows, Scores scores) const override {
    const size_t n_blocks = (rows.count + kBlockRows - 1) / kBlockRows;
    const Scratch scratch = lay_scratch(std::min(n_blocks, chunk_blocks_));
    if (has_program_) fill_constants(scratch, std::min(n_blocks, slot_sets()));
    for (size_t block = 0; block < n_blocks; block += chunk_blocks_)
      score_chunk(rows, scores, block, std::min(chunk_blocks_, n_blocks - block), scratch);
  }

 private:
  struct Scratch {
    uint8_t *slots, *columns, *sums;
  };

  // A bottom takes the time of 1.6 steps.
  double steps() const {
    return static_cast<double>(layout_->steps.size()) +
           1.6 * static_cast<double>(layout_->bottoms.size());
  }
  bool doubles() const { return settings_.accumulator == NumberType::kFloat64; }
  size_t column_bytes() const { return view_.n_columns * kBlockRows; }
  size_t sum_bytes() const {
    return settings_.n_outputs * kBlockRows * size_of(settings_.accumulator);
  }

  // Vectors of one block share its slots.
  size_t slot_sets() const { return variant_.together * variant_.vector_rows / kBlockRows; }

  Scratch lay_scratch(size_t blocks) const {
    const size_t slots = slot_sets() * kSlots * kBlockRows;
    const size_t columns = blocks * view_.n_columns * kBlockRows;
    uint8_t* at = thread_scratch(slots + columns + blocks * sum_bytes());
    return {at, at + slots, at + slots + columns};
  }

  void fill_constants(const Scratch& scratch, size_t sets) const {
    for (size_t set = 0; set < sets; ++set)
      for (size_t i = 0; i < 256; ++i)
        std::fill_n(scratch.slots + (set * kSlots + kFirstConstant + i) * kBlockRows, kBlockRows,
                    static_cast<uint8_t>(i));
  }

  void score_chunk(const Rows& rows, Scores scores, size_t first, size_t count,
                   const Scratch& scratch) const {
    for (size_t b = 0; b < count; ++b) {
      const size_t row = (first + b) * kBlockRows;
      const size_t n = std::min(kBlockRows, rows.count - row);
      variant_.rank_block(view_, rows, row, n, scratch.columns + b * column_bytes());
      move_sums<true>(scores, row, n, scratch.sums + b * sum_bytes());
    }
    const size_t n_rows = std::min(rows.count - first * kBlockRows, count * kBlockRows);
    for (const Group& group : layout_->groups) {
      const GroupView trees = view_group(group);
      for (size_t r = 0; r < n_rows; r += variant_.together * variant_.vector_rows)
        variant_.add_group(trees, vectors_at(r, n_rows, group.target, scratch));
    }
    for (size_t b = 0; b < count; ++b) {
      const size_t row = (first + b) * kBlockRows;
      move_sums<false>(scores, row, std::min(kBlockRows, rows.count - row),
                       scratch.sums + b * sum_bytes());
    }
  }

  // The vectors that begin with row r of a chunk of n.
  Vectors vectors_at(size_t r, size_t n, size_t target, const Scratch& scratch) const {
    const size_t width = variant_.vector_rows;
    Vectors vectors;
    vectors.count = std::min(variant_.together, (n - r + width - 1) / width);
    for (size_t i = 0; i < vectors.count; ++i) {
      const size_t block = (r + i * width) / kBlockRows, within = (r + i * width) % kBlockRows;
      vectors.columns[i] = scratch.columns + block * column_bytes() + within;
      const size_t set = i * width / kBlockRows;
      vectors.slots[i] = scratch.slots + set * kSlots * kBlockRows + within;
      vectors.sums[i] = scratch.sums + block * sum_bytes() +
                        (target * kBlockRows + within) * size_of(settings_.accumulator);
    }
    return vectors;
  }

  GroupView view_group(const Group& group) const {
    return {layout_->segments.data() + group.first_segment,
            group.segment_count,
            layout_->trees.data(),
            layout_->steps.data(),
            layout_->bottoms.data(),
            layout_->leaves.data() + group.first_tree,
            group.tree_count,
            layout_->planes.data(),
            settings_.leaf_width,
            doubles(),
            layout_->code_bytes};
  }

  template <bool kIn>
  void move_sums(Scores scores, size_t row, size_t n, uint8_t* sums) const {
    if (doubles())
      move_sums_as<kIn>(static_cast<double*>(scores.data) + row * scores.row_stride,
                        scores.row_stride, n, reinterpret_cast<double*>(sums));
    else
      move_sums_as<kIn>(static_cast<float*>(scores.data) + row * scores.row_stride,
                        scores.row_stride, n, reinterpret_cast<float*>(sums));
  }
  template <bool kIn, typename Real>
  void move_sums_as(Real* scores, size_t stride, size_t n, Real* sums) const {
    for (size_t k = 0; k < settings_.n_outputs; ++k, sums += kBlockRows) {
      if (kIn && n < kBlockRows) std::fill_n(sums, kBlockRows, Real{0});
      for (size_t r = 0; r < n; ++r) {
        Real& sum = sums[positions_[r]];
        if constexpr (kIn)
          sum = scores[r * stride + k];
        else
          scores[r * stride + k] = sum;
      }
    }
  }

  ForestSettings settings_;
  Variant variant_;
  std::shared_ptr<const rank::Ranker> ranker_;
  rank::View view_;
  std::unique_ptr<BlocksLayout> layout_;
  bool has_program_ = false;
  size_t chunk_blocks_ = 2;
  uint8_t positions_[kBlockRows];  // sum_position() of a block's rows
};

}  // namespace

Result<std::unique_ptr<ForestEvaluator>> make_blocks(const Forest& forest, SharedTables& shared,
                                                     const Variant& variant) {
  SPINNEY_TRY(BlocksLayout::check(forest));
  SPINNEY_ASSIGN(auto ranker, shared.ranker());
  auto layout = BlocksLayout::make(forest, *ranker, variant.layout);
  return std::unique_ptr<ForestEvaluator>(
      std::make_unique<Blocks>(forest, variant, std::move(ranker), std::move(layout)));
}

}  // namespace spinney::kernel::blocks
