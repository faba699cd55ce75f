// Ranks decide every split as Forest::goes_left() does, whichever code finds them and however the
// rows lie in memory.
#include "spinney/rank/ranker.h"

#include <gtest/gtest.h>

#include "../kernel/random_forest.h"
#include "spinney/cpu/features.h"
#include "spinney/rank/avx2/rank_block.h"
#include "spinney/rank/avx512/rank_rows.h"

namespace spinney::testing {
namespace {

using rank::Ranker;

constexpr size_t kRows = 150;  // two whole blocks and a part

std::vector<ForestShape> shapes() {
  using S = ForestShape;
  S plain{.name = "plain", .n_features = 28, .n_trees = 60};
  plain.distinct_thresholds = 200;
  S gaps{.name = "features_unread", .n_features = 40, .n_trees = 3, .leaves_max = 12};
  S rules{.name = "all_rules", .n_features = 5, .missing = Missing::kAllRules};
  rules.strange_thresholds = 0.3;
  S slices{.name = "slices", .n_features = 2, .n_trees = 90, .leaves_min = 16};
  S categories{.name = "categories", .n_trees = 30, .categorical = 0.5};
  std::vector<S> all;
  for (S shape : {plain, gaps, rules, slices, categories})
    for (const NumberType input : {NumberType::kFloat32, NumberType::kFloat64})
      for (const Comparison comparison : {Comparison::kLess, Comparison::kLessEqual}) {
        S made = shape;
        made.name += input == NumberType::kFloat32 ? "_f32" : "_f64";
        made.name += comparison == Comparison::kLess ? "_less" : "_less_equal";
        made.input = input;
        made.comparison = comparison;
        all.push_back(made);
      }
  return all;
}

// Rows as they lie: side by side, by columns, or backwards with gaps between values.
template <typename Real>
struct Arranged {
  std::vector<Real> memory;
  Rows rows;
};
template <typename Real>
Arranged<Real> arrange(const std::vector<Real>& values, size_t width, int how) {
  const auto w = static_cast<ptrdiff_t>(width);
  const auto n = static_cast<ptrdiff_t>(values.size()) / w;
  const ptrdiff_t row_step = how == 0 ? w : how == 1 ? 1 : -2 * w;
  const ptrdiff_t column_step = how == 0 ? 1 : how == 1 ? n : 2;
  const ptrdiff_t start = how == 2 ? 2 * w * (n - 1) : 0;
  Arranged<Real> arranged;
  arranged.memory.resize(values.size() * 2);
  for (ptrdiff_t r = 0; r < n; ++r)
    for (ptrdiff_t c = 0; c < w; ++c)
      arranged.memory[static_cast<size_t>(start + r * row_step + c * column_step)] =
          values[static_cast<size_t>(r * w + c)];
  Rows rows = dense_rows(arranged.memory.data() + start, static_cast<size_t>(n), width);
  rows.row_stride = row_step * static_cast<ptrdiff_t>(sizeof(Real));
  rows.column_stride = column_step * static_cast<ptrdiff_t>(sizeof(Real));
  arranged.rows = rows;
  return arranged;
}

class RankerTest : public ::testing::TestWithParam<ForestShape> {
 protected:
  RankerTest() : forest_(ForestMaker(GetParam(), 3).make()) {
    auto made = Ranker::make(forest_);
    EXPECT_TRUE(made.ok()) << made.error().message;
    ranker_ = *made;
  }

  void check_decisions(const Rows& rows, size_t r, const uint8_t* ranks) {
    for (const Node& node : forest_.nodes) {
      if (node.is_leaf()) continue;
      double value = rows.at(r, node.feature);
      if (forest_.settings().input == NumberType::kFloat32) value = static_cast<float>(value);
      const rank::NodeTest test = ranker_->test(node);
      ASSERT_GE(test.rank, 1);
      ASSERT_LT(test.column, ranker_->n_columns());
      ASSERT_EQ(ranks[test.column] >= test.rank, !forest_.goes_left(node, value))
          << "value " << value << ", threshold " << node.threshold << ", row " << r;
    }
  }

  template <typename Real>
  void check_rows(int how) {
    const size_t width = forest_.settings().n_features;
    const auto arranged = arrange(decisive_rows<Real>(forest_, kRows, 5), width, how);
    const Rows& rows = arranged.rows;
    std::vector<uint8_t> ranks(ranker_->n_columns());
    for (size_t r = 0; r < kRows; ++r) {
      ranker_->rank_row(rows, r, ranks.data());
      check_decisions(rows, r, ranks.data());
    }
    if (cpu::usable_isa() >= cpu::Isa::kAvx2)
      check_blocks(rows, &rank::avx2::rank_block, rank::avx2::kFlip);
    if (cpu::usable_isa() < cpu::Isa::kAvx512) return;
    check_blocks(rows, &rank::avx512::rank_block, 0);
    const rank::View view(*ranker_);
    std::vector<uint8_t> vector_ranks(ranker_->n_columns());
    for (size_t r = 0; r < kRows; ++r) {
      ranker_->rank_row(rows, r, ranks.data());
      rank::avx512::rank_row(view, rows, r, vector_ranks.data());
      ASSERT_EQ(ranks, vector_ranks) << "row " << r;
    }
  }

  using RankBlock = void (*)(const rank::View&, const Rows&, size_t, size_t, uint8_t*);
  void check_blocks(const Rows& rows, RankBlock rank_block, uint8_t flip) {
    const rank::View view(*ranker_);
    std::vector<uint8_t> ranks(ranker_->n_columns());
    AlignedVector<uint8_t> columns(64 * ranker_->n_columns());
    for (const size_t step : {64, 7}) {
      for (size_t r = 0; r < kRows; ++r) {
        if (r % step == 0)
          rank_block(view, rows, r, std::min<size_t>(step, kRows - r), columns.data());
        ranker_->rank_row(rows, r, ranks.data());
        for (size_t c = 0; c < ranks.size(); ++c)
          ASSERT_EQ(ranks[c], columns[64 * c + r % step] ^ flip)
              << "row " << r << ", column " << c << ", flip " << int{flip};
      }
    }
  }

  Forest forest_;
  std::shared_ptr<const Ranker> ranker_;
};

TEST_P(RankerTest, DecidesEverySplitOnFloats) {
  for (const int how : {0, 1, 2}) check_rows<float>(how);
}
TEST_P(RankerTest, DecidesEverySplitOnDoubles) {
  for (const int how : {0, 1, 2}) check_rows<double>(how);
}

INSTANTIATE_TEST_SUITE_P(Shapes, RankerTest, ::testing::ValuesIn(shapes()),
                         [](const auto& shape) { return shape.param.name; });

TEST(Ranker, RefusesANanThreshold) {
  ForestParts parts;
  parts.settings.n_features = 1;
  Node root;
  root.threshold = std::nan("");
  root.left = 1;
  root.right = 2;
  parts.nodes = {root, Node::leaf(0, 1), Node::leaf(1, 2)};
  parts.tree_begin = {0, 3};
  parts.tree_target = {0};
  parts.leaf_values = {-1, 1};
  parts.base = {0};
  const auto forest = make_forest(std::move(parts));
  ASSERT_TRUE(forest.ok()) << forest.error().message;
  const auto ranker = Ranker::make(*forest);
  ASSERT_FALSE(ranker.ok());
  EXPECT_NE(ranker.error().message.find("NaN"), std::string::npos);
}

}  // namespace
}  // namespace spinney::testing
