// Requests that are answered on their caller's thread pass the door that queued ones pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/direct_world.h"

namespace spinney::engine {
namespace {

using namespace direct_world;

uint64_t refused(const RequestCounts& counts, Refusal refusal) {
  return counts.refused[static_cast<size_t>(refusal)];
}

TEST(EngineDirect, ACheapRequestIsAnsweredBeforeTheCallReturns) {
  World world;
  ASSERT_TRUE(world.run(4).ok());
  EXPECT_EQ(world.told.count, 1);
  EXPECT_EQ(world.told.value, 8);
  EXPECT_EQ(world.backend->thread, std::this_thread::get_id());
  const RequestCounts counts = world.counts();
  EXPECT_EQ(counts.submitted, 1u);
  EXPECT_EQ(counts.admitted, 1u);
  EXPECT_EQ(counts.answered, 1u);
  EXPECT_EQ(counts.at_once, 1u);
  EXPECT_EQ(counts.in_flight(), 0u);
  EXPECT_EQ(world.engine->stats().in_flight, 0u);
  EXPECT_EQ(world.engine->stages("m")->infer_ns.count(), 1u);
}

TEST(EngineDirect, WhatIsDearOrUnknownOrBehindOthersIsQueued) {
  for (const double row_ns : {1e6, 0.0}) {
    World world(std::make_shared<Doubling>(row_ns));
    ASSERT_TRUE(world.run(4).ok());
    EXPECT_EQ(world.told.count, 0);
    EXPECT_TRUE(world.engine->run_some());
    EXPECT_EQ(world.told.value, 8);
    EXPECT_EQ(world.counts().at_once, 0u);
  }
  World world;
  const double first = 1;
  ASSERT_TRUE(world.engine->submit(world.request(first)).ok());
  ASSERT_TRUE(world.run(4).ok());
  EXPECT_EQ(world.told.count, 0);  // not before the one that came first
  while (world.engine->run_some()) {
  }
  EXPECT_EQ(world.told.count, 2);
}

TEST(EngineDirect, BackEndsThatWaitOrHaveALimitAndCompletionsThatMayBlockAreQueued) {
  auto waits = std::make_shared<Doubling>(), limited = std::make_shared<Doubling>();
  waits->waits_ = true;
  limited->concurrency_ = 1;
  for (const auto& backend : {waits, limited}) {
    World world(backend);
    ASSERT_TRUE(world.run(4).ok());
    EXPECT_EQ(world.told.count, 0);
    EXPECT_TRUE(world.engine->run_some());
    EXPECT_EQ(world.told.count, 1);
  }
  World world;
  world.told.blocks = true;
  ASSERT_TRUE(world.run(4).ok());
  EXPECT_EQ(world.told.count, 0);
  EXPECT_TRUE(world.engine->run_some());
  ModelOptions holds;
  holds.min_batch_size = 4;
  holds.batch_timeout_ns = kSecond;
  World held(std::make_shared<Doubling>(), holds);
  ASSERT_TRUE(held.run(4).ok());
  EXPECT_EQ(held.told.count, 0);
  World paused;
  ASSERT_TRUE(paused.engine->pause("m", true).ok());
  ASSERT_TRUE(paused.run(4).ok());
  EXPECT_EQ(paused.told.count, 0);
}

TEST(EngineDirect, TheSameIsRefusedAsByTheQueue) {
  EngineOptions engine_options;
  engine_options.max_concurrent_requests = 1;
  World world(std::make_shared<Doubling>(), {}, engine_options);
  const double value = 1;
  Request wrong = world.request(value);
  wrong.kind = AnswerKind::kProba;
  EXPECT_EQ(world.engine->run_or_submit(wrong).refusal, Refusal::kKind);
  Request late = world.request(value);
  late.deadline_ns = world.clock.now_ns();
  EXPECT_EQ(world.engine->run_or_submit(late).refusal, Refusal::kExpired);
  Request unknown = world.request(value);
  unknown.model = "other";
  EXPECT_EQ(world.engine->run_or_submit(unknown).refusal, Refusal::kUnknownModel);
  {
    Visit visit;
    ASSERT_TRUE(world.engine->enter(world.request(value), visit).ok());
    EXPECT_EQ(world.engine->active(), 1u);
    EXPECT_EQ(world.run(4).refusal, Refusal::kConcurrency);
    world.engine->limit_concurrency(0);
    EXPECT_EQ(world.run(4).refusal, Refusal::kThrottled);
    world.engine->limit_concurrency(Engine::kNoLimit);
    EXPECT_FALSE(world.engine->drain(0));  // it is still there
    world.engine->resume();
  }
  EXPECT_TRUE(world.run(4).ok());
  EXPECT_TRUE(world.engine->drain(0));
  EXPECT_EQ(world.run(4).refusal, Refusal::kShutDown);
  const RequestCounts counts = world.counts();
  for (const Refusal refusal : {Refusal::kKind, Refusal::kExpired, Refusal::kUnknownModel,
                                Refusal::kConcurrency, Refusal::kThrottled, Refusal::kShutDown})
    EXPECT_EQ(refused(counts, refusal), 1u) << name_of(refusal);
  EXPECT_EQ(counts.cancelled, 1u);  // the visit that was given up
  EXPECT_EQ(counts.submitted, 8u);
  EXPECT_EQ(counts.in_flight(), 0u);
}

TEST(EngineDirect, AFailureIsToldAndCounted) {
  World world;
  ASSERT_TRUE(world.run(-1).ok());
  EXPECT_TRUE(world.told.failed);
  EXPECT_EQ(world.told.code, Code::kInternal);
  EXPECT_EQ(world.counts().failed, 1u);
  EXPECT_EQ(world.counts().in_flight(), 0u);
}

// Of equal visits that cost more than to wake somebody, one runs.
TEST(EngineDirect, EqualVisitsRunOnce) {
  World world(std::make_shared<Doubling>(1e6));
  const double value = 7;
  Visit leader;
  ASSERT_TRUE(world.engine->enter(world.request(value), leader).ok());
  ASSERT_EQ(leader.turn(), Turn::kRun);
  std::vector<std::thread> threads;
  std::atomic<int> waiting{0}, shared{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      Visit visit;
      if (!world.engine->enter(world.request(value), visit).ok()) return;
      waiting += visit.turn() == Turn::kWait;
      while (visit.turn() == Turn::kWait) visit.wait(kSecond);
      shared += visit.turn() == Turn::kAnswered && visit.shared() &&
                *static_cast<const double*>(visit.answer()) == 14;
    });
  while (waiting < 4) std::this_thread::yield();
  const double answer = 14;
  leader.done(&answer, sizeof answer);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared, 4);
  EXPECT_EQ(world.counts().shared, 4u);
  EXPECT_EQ(world.counts().answered, 5u);
}

TEST(EngineDirect, WhoWaitsIsToldOfTheFailureAndGoesOnAfterAnInterrupt) {
  for (const bool interrupted : {false, true}) {
    World world(std::make_shared<Doubling>(1e6));
    const double value = 7;
    auto leader = std::make_unique<Visit>();
    ASSERT_TRUE(world.engine->enter(world.request(value), *leader).ok());
    std::atomic<bool> waits{false};
    Turn turn{};
    std::string message;
    std::thread follower([&] {
      Visit visit;
      if (!world.engine->enter(world.request(value), visit).ok()) return;
      waits = visit.turn() == Turn::kWait;
      while (visit.turn() == Turn::kWait) visit.wait(kSecond);
      turn = visit.turn();
      if (turn == Turn::kFailed) message = visit.error().message;
    });
    while (!waits) std::this_thread::yield();
    if (interrupted)
      leader.reset();
    else
      leader->fail({Code::kInternal, "broken"});
    follower.join();
    EXPECT_EQ(turn, interrupted ? Turn::kAgain : Turn::kFailed);
    EXPECT_EQ(message, interrupted ? "" : "broken");
    Visit next;  // errors are not kept
    ASSERT_TRUE(world.engine->enter(world.request(value), next).ok());
    EXPECT_EQ(next.turn(), Turn::kRun);
  }
}

TEST(EngineDirect, OneThatWaitsMayGo) {
  World world(std::make_shared<Doubling>(1e6));
  const double value = 7;
  Visit leader;
  ASSERT_TRUE(world.engine->enter(world.request(value), leader).ok());
  std::thread([&] {
    Visit visit;
    ASSERT_TRUE(world.engine->enter(world.request(value), visit).ok());
    EXPECT_EQ(visit.turn(), Turn::kWait);
    EXPECT_EQ(visit.wait(1), Turn::kWait);
  }).join();
  {
    Visit within;  // who computes one waits for none
    ASSERT_TRUE(world.engine->enter(world.request(value), within).ok());
    EXPECT_EQ(within.turn(), Turn::kRun);
    within.forget();
  }
  const double answer = 14;
  leader.done(&answer, sizeof answer);
  EXPECT_EQ(world.counts().in_flight(), 0u);
  EXPECT_EQ(world.counts().cancelled, 1u);
}

// A model that turns out to be dear is queued from then on.
TEST(EngineDirect, WhatIsMeasuredDecides) {
  struct Slow final : backend::Backend {
    explicit Slow(ManualClock& moved) : clock(moved) {}
    size_t width() const override { return 1; }
    double cost_ns(size_t rows) const override { return 10.0 * static_cast<double>(rows); }
    Result<AnswerShape> answer(AnswerKind) const override {
      return AnswerShape{1, ElementType::kFloat64};
    }
    Status score(const backend::BatchInput&, backend::BatchOutput& out) const override {
      clock.advance(kMillisecond);
      *static_cast<double*>(out.data) = 0;
      return {};
    }
    ManualClock& clock;
  };
  World world;
  ModelOptions options;
  options.warm_up = false;
  ASSERT_TRUE(world.engine->load("slow", "", std::make_shared<Slow>(world.clock), options).ok());
  const double value = 1;
  Request request = world.request(value);
  request.model = "slow";
  int at_once = 0;
  for (int i = 0; i < 1000; ++i) {
    const int before = world.told.count;
    ASSERT_TRUE(world.engine->run_or_submit(request).ok());
    at_once += world.told.count > before;
    while (world.engine->run_some()) {
    }
  }
  EXPECT_GE(at_once, 1);
  EXPECT_LT(at_once, 400);
  EXPECT_EQ(world.counts().answered, 1000u);
}

}  // namespace
}  // namespace spinney::engine
