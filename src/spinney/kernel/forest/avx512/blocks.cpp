#include "spinney/kernel/forest/avx512/blocks.h"

#include <algorithm>

#include "spinney/kernel/forest/scratch.h"
#include "spinney/rank/avx512/rank_rows.h"

namespace spinney::kernel {
namespace {

using rank::kBlockRows;

// Rows per chunk: enough that a group of trees, once in the nearest cache, serves many blocks.
constexpr size_t kChunkBlocks = 16;
constexpr size_t kChunkBytesMax = 256 * 1024;

// Where add_group() keeps row r of a block: byte planes are unpacked within 128-bit lanes.
constexpr size_t sum_position(size_t r, bool doubles) {
  const size_t lane = r / 16, within = r % 16;
  return doubles ? within / 2 * 8 + lane * 2 + within % 2 : within / 4 * 16 + lane * 4 + within % 4;
}

size_t up_to_line(size_t bytes) { return (bytes + 63) / 64 * 64; }

using AddGroup = void (*)(const GroupView&, const BlockPair&);

class Blocks final : public ForestEvaluator {
 public:
  Blocks(const Forest& forest, std::shared_ptr<const rank::Ranker> ranker,
         std::unique_ptr<BlocksLayout> layout, std::string_view name, AddGroup add_group,
         double plane_ns)
      : settings_(forest.settings()),
        ranker_(std::move(ranker)),
        view_(*ranker_),
        layout_(std::move(layout)),
        name_(name),
        add_group_(add_group),
        plane_ns_(plane_ns) {
    has_program_ = !layout_->steps.empty();
    const size_t block_bytes = view_.n_columns * kBlockRows + sum_bytes();
    chunk_blocks_ =
        std::clamp<size_t>(kChunkBytesMax / std::max<size_t>(block_bytes, 1), 2, kChunkBlocks) &
        ~size_t{1};
  }

  std::string_view name() const override { return name_; }
  size_t bytes() const override { return layout_->bytes() + ranker_->bytes(); }

  double cost_ns(size_t rows) const override {
    const auto blocks = static_cast<double>((rows + kBlockRows - 1) / kBlockRows);
    // Pairs of blocks share the loads of nodes and steps.
    const bool pairs = blocks > 1;
    const double per_block = 80 + static_cast<double>(view_.n_columns) * 18 +
                             layout_->nodes_evaluated * (pairs ? 0.27 : 0.34) +
                             layout_->steps_evaluated * (pairs ? 0.66 : 0.78) +
                             layout_->planes_fetched * plane_ns_;
    return 60 + blocks * per_block;
  }

  void score(const Rows& rows, Scores scores) const override {
    const size_t n_blocks = (rows.count + kBlockRows - 1) / kBlockRows;
    const Scratch scratch = lay_scratch(std::min(n_blocks, chunk_blocks_));
    if (has_program_) fill_constants(scratch);
    for (size_t block = 0; block < n_blocks; block += chunk_blocks_)
      score_chunk(rows, scores, block, std::min(chunk_blocks_, n_blocks - block), scratch);
  }

 private:
  struct Scratch {
    uint8_t *slots, *rows, *columns, *sums;
  };

  bool doubles() const { return settings_.accumulator == NumberType::kFloat64; }
  size_t sum_bytes() const {
    return settings_.n_outputs * kBlockRows * size_of(settings_.accumulator);
  }

  Scratch lay_scratch(size_t blocks) const {
    const size_t slots = 2 * kSlots * 64;
    const size_t row_bytes = kBlockRows * rank::avx512::row_pitch(view_.n_columns);
    const size_t column_bytes = blocks * view_.n_columns * kBlockRows;
    uint8_t* at =
        thread_scratch(slots + up_to_line(row_bytes) + column_bytes + blocks * sum_bytes());
    return {at, at + slots, at + slots + up_to_line(row_bytes),
            at + slots + up_to_line(row_bytes) + column_bytes};
  }

  static void fill_constants(const Scratch& scratch) {
    for (size_t block = 0; block < 2; ++block)
      for (size_t i = 0; i < 256; ++i)
        std::fill_n(scratch.slots + (block * kSlots + kFirstConstant + i) * 64, 64,
                    static_cast<uint8_t>(i));
  }

  void score_chunk(const Rows& rows, Scores scores, size_t first, size_t count,
                   const Scratch& scratch) const {
    const size_t column_bytes = view_.n_columns * kBlockRows;
    for (size_t b = 0; b < count; ++b) {
      const size_t row = (first + b) * kBlockRows;
      const size_t n = std::min(kBlockRows, rows.count - row);
      rank::avx512::rank_block(view_, rows, row, n, scratch.rows,
                               scratch.columns + b * column_bytes);
      move_sums<true>(scores, row, n, scratch.sums + b * sum_bytes());
    }
    for (const Group& group : layout_->groups) {
      const GroupView trees = view_group(group);
      const size_t to = size_t{group.target} * kBlockRows * size_of(settings_.accumulator);
      for (size_t b = 0; b < count; b += 2) {
        BlockPair pair;
        pair.count = std::min<size_t>(2, count - b);
        for (size_t i = 0; i < pair.count; ++i) {
          pair.columns[i] = scratch.columns + (b + i) * column_bytes;
          pair.slots[i] = scratch.slots + i * kSlots * 64;
          pair.sums[i] = scratch.sums + (b + i) * sum_bytes() + to;
        }
        add_group_(trees, pair);
      }
    }
    for (size_t b = 0; b < count; ++b) {
      const size_t row = (first + b) * kBlockRows;
      move_sums<false>(scores, row, std::min(kBlockRows, rows.count - row),
                       scratch.sums + b * sum_bytes());
    }
  }

  GroupView view_group(const Group& group) const {
    return {layout_->segments.data() + group.first_segment,
            group.segment_count,
            layout_->trees.data(),
            layout_->steps.data(),
            layout_->leaves.data() + group.first_tree,
            group.tree_count,
            layout_->planes.data(),
            settings_.leaf_width,
            doubles()};
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
        Real& sum = sums[sum_position(r, sizeof(Real) == 8)];
        if constexpr (kIn)
          sum = scores[r * stride + k];
        else
          scores[r * stride + k] = sum;
      }
    }
  }

  ForestSettings settings_;
  std::shared_ptr<const rank::Ranker> ranker_;
  rank::avx512::View view_;
  std::unique_ptr<BlocksLayout> layout_;
  std::string_view name_;
  AddGroup add_group_;
  double plane_ns_;
  bool has_program_ = false;
  size_t chunk_blocks_ = 2;
};

Result<std::unique_ptr<ForestEvaluator>> make(const Forest& forest, std::string_view name,
                                              AddGroup add_group, double plane_ns) {
  SPINNEY_TRY(BlocksLayout::check(forest));
  SPINNEY_ASSIGN(auto ranker, rank::Ranker::make(forest));
  auto layout = BlocksLayout::make(forest, *ranker);
  return std::unique_ptr<ForestEvaluator>(std::make_unique<Blocks>(
      forest, std::move(ranker), std::move(layout), name, add_group, plane_ns));
}

}  // namespace

Result<std::unique_ptr<ForestEvaluator>> make_blocks_avx512(const Forest& forest) {
  return make(forest, "blocks.avx512", &avx512::add_group, 1.6);
}

Result<std::unique_ptr<ForestEvaluator>> make_blocks_avx512vbmi(const Forest& forest) {
  return make(forest, "blocks.avx512vbmi", &avx512vbmi::add_group, 0.9);
}

}  // namespace spinney::kernel
