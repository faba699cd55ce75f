// Programs of irregular trees: slots hold what is read from them, and few are needed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "random_forest.h"
#include "spinney/kernel/forest/evaluator.h"
#include "spinney/kernel/forest/layout/blocks_layout.h"

namespace spinney::kernel {
namespace {

using testing::ForestMaker;
using testing::ForestShape;
using testing::Growth;

// Follows one group's programs and says which slots hold a result that nothing has read.
class Follower {
 public:
  void write(uint16_t offset) {
    ASSERT_EQ(offset % 8, 0);
    const size_t slot = offset / 8;
    ASSERT_TRUE(slot < kGroupTrees || (slot >= kFirstTemporary && slot < kSlots)) << slot;
    EXPECT_TRUE(unread_.emplace(slot, true).second) << "slot " << slot << " was still to be read";
    most_ = std::max(most_, unread_.size());
  }
  void read(uint16_t offset) {
    const size_t slot = offset / 8;
    if (slot >= kFirstConstant && slot < kFirstTemporary) return;
    EXPECT_EQ(unread_.erase(slot), 1u) << "slot " << slot << " held nothing";
  }
  // Slots that hold a result: at the end only the trees' own.
  void expect_results(size_t trees) const {
    ASSERT_EQ(unread_.size(), trees);
    for (const auto& [slot, unused] : unread_) EXPECT_LT(slot, trees);
  }
  size_t most() const { return most_; }

 private:
  std::map<size_t, bool> unread_;
  size_t most_ = 0;
};

// The most slots in use at once.
size_t follow(const BlocksLayout& layout) {
  size_t most = 0;
  for (const Group& group : layout.groups) {
    Follower slots;
    for (size_t s = 0; s < group.segment_count; ++s) {
      const Segment& segment = layout.segments[group.first_segment + s];
      if (segment.depth > kTables) {  // trees of one test a level
        const auto* tables =
            reinterpret_cast<const LevelTests*>(layout.trees.data() + segment.begin);
        for (size_t i = 0; i < segment.count; ++i) slots.write(tables[i].to);
        continue;
      }
      EXPECT_LE(segment.depth, kSteps) << "a perfect tree";
      for (size_t i = segment.begin; i < segment.begin + segment.count; ++i) {
        if (segment.depth == kSteps) {
          slots.read(layout.steps[i].left);
          slots.read(layout.steps[i].right);
        }
        slots.write(segment.depth == kSteps ? layout.steps[i].to : layout.bottoms[i].to);
      }
    }
    slots.expect_results(group.tree_count);
    most = std::max(most, slots.most());
  }
  return most;
}

std::unique_ptr<BlocksLayout> programs_of(const ForestShape& shape, uint64_t seed) {
  const Forest forest = ForestMaker(shape, seed).make();
  SharedTables tables(forest);
  const auto ranker = tables.ranker();
  EXPECT_TRUE(ranker.ok());
  return BlocksLayout::make(forest, **ranker, {.step_cost = 0});  // padding is never cheaper
}

TEST(BlockPrograms, ReadWhatTheyWroteWhateverTheTrees) {
  for (const Growth growth : {Growth::kRandom, Growth::kBalanced, Growth::kChain})
    for (const size_t leaves : {1, 2, 3, 4, 5, 7, 31, 64, 255, 256})
      for (const size_t trees : {1, 15, 33, 70}) {
        ForestShape shape{.name = "any", .n_trees = trees, .leaves_max = leaves};
        shape.leaves_min = leaves > 3 ? leaves - 3 : 1;
        shape.growth = growth;
        shape.distinct_thresholds = 200;
        SCOPED_TRACE(std::to_string(leaves) + " leaves, " + std::to_string(trees) + " trees");
        EXPECT_LE(follow(*programs_of(shape, leaves + trees)), kGroupTrees + kTemporarySlots);
      }
}

// Trees of three leaves are one bottom, of four that are balanced too; a chain has one at its end.
TEST(BlockPrograms, TwoLevelsWithoutSlotsAreBottoms) {
  ForestShape shape{.name = "small", .n_trees = 40, .leaves_min = 3, .leaves_max = 3};
  shape.distinct_thresholds = 200;
  auto layout = programs_of(shape, 1);
  EXPECT_EQ(layout->bottoms.size(), 40u);
  EXPECT_EQ(layout->steps.size(), 0u);
  shape.leaves_min = shape.leaves_max = 4;
  shape.growth = Growth::kBalanced;
  layout = programs_of(shape, 1);
  EXPECT_EQ(layout->bottoms.size(), 40u);
  EXPECT_EQ(layout->steps.size(), 0u);
  shape.leaves_min = shape.leaves_max = 20;
  shape.growth = Growth::kChain;
  layout = programs_of(shape, 1);
  EXPECT_EQ(layout->bottoms.size(), 40u);
  EXPECT_EQ(layout->steps.size(), 40u * 17u);
}

}  // namespace
}  // namespace spinney::kernel
