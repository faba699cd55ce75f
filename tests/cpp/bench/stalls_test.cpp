// The load generator's view of the machine: which gaps count, and which requests they touch.
#include "../../../benchmarks/cpp/stalls.h"

#include <gtest/gtest.h>

namespace {

using namespace spinney::bench;

constexpr int64_t kMs = 1'000'000;

std::vector<std::pair<int64_t, int64_t>> pairs(const std::vector<Interval>& intervals) {
  std::vector<std::pair<int64_t, int64_t>> result;
  for (const Interval& one : intervals) result.emplace_back(one.begin, one.end);
  return result;
}

using Pairs = std::vector<std::pair<int64_t, int64_t>>;

TEST(StallWatch, OnlyGapsBetweenReadingsWithNothingBetweenThemCount) {
  StallWatch watch(2);
  watch.restart(5 * kMs);              // whatever came before
  watch.read(5 * kMs + kStallNs);      // at the limit
  watch.read(5 * kMs + 3 * kStallNs);  // beyond it
  watch.restart(20 * kMs);             // the engine was at work
  watch.read(20 * kMs + 1);
  watch.read(22 * kMs);
  EXPECT_EQ(pairs(watch.seen()),
            (Pairs{{5 * kMs + kStallNs, 5 * kMs + 3 * kStallNs}, {20 * kMs + 1, 22 * kMs}}));
  EXPECT_EQ(watch.dropped(), 0u);
  watch.read(30 * kMs);  // no room left: counted, not kept
  EXPECT_EQ(watch.seen().size(), 2u);
  EXPECT_EQ(watch.dropped(), 1u);
}

TEST(Stalls, OfTwoThreadsAreUnited) {
  EXPECT_EQ(pairs(united({{50, 60}, {10, 20}, {15, 30}, {30, 35}, {16, 17}})),
            (Pairs{{10, 35}, {50, 60}}));
  EXPECT_TRUE(united({}).empty());
}

TEST(Stalls, TouchUntilTheirBacklogIsGone) {
  // At half load a backlog takes as long to drain as it took to build; at 0.9 nine times as long.
  EXPECT_EQ(pairs(touched_by({{100, 110}, {200, 230}}, 0.5)), (Pairs{{100, 120}, {200, 260}}));
  EXPECT_EQ(touched_by({{1000, 2000}}, 0.9)[0].end, 11'000);
  // The second stall finds half of the first one's backlog: 10 of 20, and adds its own 40.
  EXPECT_EQ(pairs(touched_by({{100, 120}, {130, 170}}, 0.5)), (Pairs{{100, 220}}));
}

TEST(Stalls, RequestsAreOutsideOnlyIfNoneOfTheirTimeIsIn) {
  const std::vector<Interval> windows{{100, 120}, {200, 260}};
  EXPECT_TRUE(outside(windows, {10, 99}));
  EXPECT_FALSE(outside(windows, {10, 100}));   // in flight when it began
  EXPECT_FALSE(outside(windows, {110, 115}));  // due in it
  EXPECT_FALSE(outside(windows, {120, 130}));  // due as it ends
  EXPECT_TRUE(outside(windows, {121, 199}));
  EXPECT_FALSE(outside(windows, {121, 300}));  // around all of it
  EXPECT_TRUE(outside(windows, {261, 270}));
  EXPECT_TRUE(outside({}, {1, 2}));
}

}  // namespace
