// Lanes that are paced by hand: order by turns, limits by requests and bytes, full batches, pauses
// and sizes set at run time.
#include <gtest/gtest.h>

#include "engine/paced.h"

namespace spinney::engine {
namespace {

TEST(Pace, TurnsOrderRequestsWhateverTheirDeadlines) {
  ModelOptions options;
  options.max_batch_size = 1;
  Paced paced(options);
  const int64_t now = paced.clock.now_ns();
  ASSERT_TRUE(paced.ask(1, now + 3).ok());
  ASSERT_TRUE(paced.ask(2, now + 1, now + kSecond).ok());
  ASSERT_TRUE(paced.ask(3, now + 2).ok());
  ASSERT_TRUE(paced.ask(4, now + 1).ok());  // as early as 2, which came first
  ASSERT_TRUE(paced.ask(5, now + 9, now + 10).ok());
  EXPECT_EQ(paced.run_all(), 5u);
  EXPECT_EQ(paced.batches, (std::vector<Values>{{2}, {4}, {3}, {1}, {5}}));
}

TEST(Pace, AQueueLimitedInRequestsCountsRequestsAndForgetsTheCancelled) {
  ModelOptions options;
  options.max_queue_requests = 2;
  Paced paced(options);
  ASSERT_TRUE(paced.ask(1, kNever, kNever, 30).ok());
  const Admission second = paced.ask(2);
  ASSERT_TRUE(second.ok());
  const Admission third = paced.ask(3);
  EXPECT_EQ(third.refusal, Refusal::kQueueFull);
  EXPECT_NE(third.error().message.find("max_queue_requests"), std::string::npos);
  EXPECT_TRUE(paced.engine->cancel(second.id));
  EXPECT_TRUE(paced.ask(4).ok());
  EXPECT_EQ(paced.ask(5).refusal, Refusal::kQueueFull);
  paced.run_all();
  EXPECT_EQ(paced.answered, (std::set<double>{1, 4}));
  EXPECT_TRUE(paced.ask(6).ok());
  EXPECT_TRUE(paced.ask(7).ok());
}

TEST(Pace, ABatchKeepsToItsBytesAndALargerRequestRunsAlone) {
  ModelOptions options;
  options.max_batch_bytes = 4 * sizeof(double);
  Paced paced(options);
  for (const double value : {1, 2}) ASSERT_TRUE(paced.ask(value, kNever, kNever, 2).ok());
  ASSERT_TRUE(paced.ask(3, kNever, kNever, 9).ok());
  ASSERT_TRUE(paced.ask(4).ok());
  paced.run_all();
  EXPECT_EQ(paced.sizes(), (std::vector<size_t>{4, 9, 1}));
}

TEST(Pace, FullBatchesWaitAnewForWhatIsLeft) {
  ModelOptions options;
  options.rest_waits = options.full_batches = true;
  options.batch_timeout_ns = 500 * kMillisecond;
  Paced paced(options);
  ASSERT_TRUE(paced.engine->limit_batch("m", 4).ok());
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(paced.ask(i).ok());
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_EQ(paced.engine->tick(), paced.clock.now_ns() + 500 * kMillisecond);
  paced.clock.advance(500 * kMillisecond - 1);
  EXPECT_EQ(paced.run_all(), 0u);
  paced.clock.advance(1);
  EXPECT_EQ(paced.run_all(), 1u);
  ASSERT_TRUE(paced.ask(6).ok());
  ASSERT_TRUE(paced.engine->limit_batch("m", 1).ok());  // so it is full
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_EQ(paced.sizes(), (std::vector<size_t>{4, 2, 1}));
  EXPECT_FALSE(paced.engine->limit_batch("other", 1).ok());
}

TEST(Pace, AWaitThatWouldOutlastADeadlineIsNone) {
  ModelOptions options;
  options.rest_waits = true;
  options.min_batch_size = 9;
  options.batch_timeout_ns = kSecond;
  Paced paced(options);
  const int64_t now = paced.clock.now_ns();
  ASSERT_TRUE(paced.ask(1, kNever, now + 5 * kSecond).ok());
  EXPECT_EQ(paced.run_all(), 0u);
  const Admission urgent = paced.ask(2, kNever, now + 600 * kMillisecond);
  EXPECT_TRUE(paced.engine->cancel(urgent.id));
  EXPECT_EQ(paced.run_all(), 0u);  // the earliest has left
  ASSERT_TRUE(paced.ask(3, kNever, now + 700 * kMillisecond).ok());
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_EQ(paced.answered, (std::set<double>{1, 3}));
}

TEST(Pace, BatchesKeepTheirIntervalUnlessDraining) {
  ModelOptions options;
  options.max_batch_size = 1;
  options.min_batch_interval_ns = 10;
  Paced paced(options);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(paced.ask(i).ok());
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_EQ(paced.engine->tick(), paced.clock.now_ns() + 10);
  paced.clock.advance(9);
  EXPECT_EQ(paced.run_all(), 0u);
  paced.clock.advance(1);
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_TRUE(paced.engine->drain(0));
  EXPECT_EQ(paced.answered.size(), 4u);
}

TEST(Pace, PausedNothingRunsButDeadlinesHoldAndDrainingGoesOn) {
  Paced paced({});
  ASSERT_TRUE(paced.engine->pause("m", true).ok());
  ASSERT_TRUE(paced.ask(1, kNever, paced.clock.now_ns() + 5).ok());
  ASSERT_TRUE(paced.ask(2).ok());
  EXPECT_EQ(paced.run_all(), 0u);
  paced.clock.advance(5);
  EXPECT_EQ(paced.run_all(), 0u);
  EXPECT_EQ(paced.failed[1], Code::kExpired);
  ASSERT_TRUE(paced.engine->pause("m", false).ok());
  EXPECT_EQ(paced.run_all(), 1u);
  ASSERT_TRUE(paced.engine->pause("m", true).ok());
  ASSERT_TRUE(paced.ask(3).ok());
  EXPECT_TRUE(paced.engine->drain(0));
  EXPECT_EQ(paced.answered, (std::set<double>{2, 3}));
  EXPECT_FALSE(paced.engine->pause("other", true).ok());
}

TEST(Pace, AVersionThatIsReplacedWhilePausedGoesOn) {
  Paced paced({});
  ASSERT_TRUE(paced.engine->pause("m", true).ok());
  ASSERT_TRUE(paced.ask(1).ok());
  EXPECT_EQ(paced.run_all(), 0u);
  ASSERT_TRUE(paced.engine->unload("m").ok());
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_EQ(paced.answered, (std::set<double>{1}));
}

TEST(Pace, ADeadlineUntilItRunsLeavesALateAnswer) {
  ModelOptions options;
  options.deadline_until_run = true;
  Paced paced(options);
  paced.run_ns = 100;
  ASSERT_TRUE(paced.ask(1, kNever, paced.clock.now_ns() + 50).ok());
  paced.run_all();
  EXPECT_EQ(paced.answered, (std::set<double>{1}));
  paced.poison = {2, 3};  // each call takes 100, so the second half is late
  for (const double value : {2, 3})
    ASSERT_TRUE(paced.ask(value, kNever, paced.clock.now_ns() + 150).ok());
  paced.run_all();
  EXPECT_EQ(paced.failed[2], Code::kInternal);
  EXPECT_EQ(paced.failed[3], Code::kExpired);
  EXPECT_EQ(paced.sizes(), (std::vector<size_t>{1, 2, 1}));
}

}  // namespace
}  // namespace spinney::engine
