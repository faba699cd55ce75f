// One count of each version: of the queue, of what is answered at once, over reloads and unloads.
#include <gtest/gtest.h>

#include <thread>

#include "spinney/engine/engine.h"
#include "spinney/engine/lane_count.h"

namespace spinney::engine {
namespace {

// Whatever happens between two readings takes a microsecond.
struct TickingClock : Clock {
  int64_t now_ns() const override { return now += kMicrosecond; }
  mutable int64_t now = kSecond;
};

struct World : Completion {
  World() {
    EngineOptions options;
    options.threads = false;
    options.clock = &clock;
    engine = Engine::make(options).value();
  }
  void load(const std::string& version, const std::string& counted_as = "") {
    backend::CallableOptions callable;
    callable.width = 1;
    callable.shape = {1, ElementType::kFloat64};
    ModelOptions options;
    options.counted_as = counted_as;
    options.window_calls = 3;
    const auto score = [this](const backend::BatchInput& in, backend::BatchOutput& out) -> Status {
      clock.now += 10 * kMicrosecond;
      for (size_t r = 0; r < in.rows.count; ++r)
        static_cast<double*>(out.data)[r] = in.rows.at(r, 0);
      if (fails) return Error{Code::kInternal, "no model today"};
      return {};
    };
    ASSERT_TRUE(engine->load("m", version, backend::make_callable(score, callable), options).ok());
  }
  void finish(std::span<Finished> finished) noexcept override { told += finished.size(); }
  Admission submit(double value = 1) {
    Request request;
    request.rows = dense_rows(&value, 1, 1);
    request.completion = this;
    return engine->submit(request);
  }
  ModelStatus status(size_t model = 0) { return engine->models()[model]; }

  TickingClock clock;
  std::unique_ptr<Engine> engine;
  size_t told = 0;
  bool fails = false;
};

TEST(EngineCount, StagesOfRequestsAddUpToTheirTime) {
  World world;
  world.load("1");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(world.submit(i).ok());
  while (world.engine->run_some()) {
  }
  const RunCounts runs = world.status().runs;
  const Stages stages = world.engine->stages("m").value();
  EXPECT_EQ(runs.executions, 1u);
  EXPECT_EQ(runs.rows, 3u);
  EXPECT_EQ(runs.infer_ns, 3u * 11'000u);  // of each of the three
  EXPECT_EQ(stages.queue_wait_ns.sum() + runs.input_ns + runs.infer_ns + runs.output_ns,
            stages.request_ns.sum());
  EXPECT_EQ(stages.infer_ns.count(), 1u);
  EXPECT_EQ(stages.request_ns.count(), 3u);
}

TEST(EngineCount, WhatFailedIsNoExecution) {
  World world;
  world.load("1");
  world.fails = true;
  ASSERT_TRUE(world.submit().ok());
  while (world.engine->run_some()) {
  }
  EXPECT_EQ(world.status().runs.executions, 0u);
  EXPECT_EQ(world.status().runs.rows, 0u);
  EXPECT_EQ(world.status().runs.failed, 1u);
  EXPECT_EQ(world.status().requests.failures(), 1u);
  double row = 0;
  Request wide;
  wide.rows = dense_rows(&row, 1, 0);
  wide.completion = &world;
  EXPECT_FALSE(world.engine->submit(wide).ok());
  EXPECT_EQ(world.status().requests.failures(), 2u);
}

TEST(EngineCount, PendingAreThoseThatWait) {
  World world;
  world.load("1", "label");
  std::vector<RequestId> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(world.submit(i).id);
  EXPECT_EQ(world.status().pending, 4u);
  EXPECT_TRUE(world.engine->cancel(ids[0]));
  EXPECT_EQ(world.status().pending, 3u);
  world.load("2", "label");  // both count as one
  ASSERT_TRUE(world.submit().ok());
  EXPECT_EQ(world.status(0).pending, 4u);
  EXPECT_EQ(world.status(1).pending, 4u);
  while (world.engine->run_some()) {
  }
  EXPECT_EQ(world.status().pending, 0u);
  EXPECT_EQ(world.status().requests.answered, 4u);
}

TEST(EngineCount, AReloadGoesOnAndAnUnloadLowersNothing) {
  World world;
  uint64_t before = 0;
  for (int turn = 1; turn <= 3; ++turn) {
    world.load("m#" + std::to_string(turn), "1");
    if (turn > 1) {
      ASSERT_TRUE(world.engine->unload("m", "m#" + std::to_string(turn - 1)).ok());
    }
    const auto count = world.engine->count_of("m");
    ASSERT_TRUE(world.submit().ok());
    while (world.engine->run_some()) {
    }
    count->answered_at_once({5, 0, 100, 200, 400, -1});
    count->hit_at_once(50);
    count->refused_at_once(Refusal::kMisfit);
    EXPECT_EQ(world.status().requests.answered, 3u * turn);
    EXPECT_EQ(world.status().requests.at_once, 2u * turn);
    EXPECT_EQ(world.engine->totals().requests.answered, 3u * turn);
    EXPECT_EQ(world.status().counted_as, "1");
    before = 3u * turn;
  }
  auto late = world.engine->count_of("m");
  ASSERT_TRUE(world.engine->unload("m").ok());
  world.engine->tick();
  EXPECT_EQ(world.engine->totals().requests.answered, before);
  late->hit_at_once(50);  // of a call that was under way
  late.reset();
  EXPECT_EQ(world.engine->totals().requests.answered, before + 1);
  world.load("other");
  EXPECT_EQ(world.status().requests.answered, 0u);
  const Totals totals = world.engine->totals();
  EXPECT_EQ(totals.requests.answered, before + 1);
  EXPECT_EQ(totals.requests.failures(), 3u);
  EXPECT_EQ(totals.runs.rows, 3u * (1 + 5));
  EXPECT_EQ(totals.stages.request_ns.count(), before + 1);
  EXPECT_EQ(world.engine->count_of("m", "gone"), nullptr);
}

TEST(EngineCount, TheLatestCallsAreKept) {
  World world;
  world.load("1");
  const auto count = world.engine->count_of("m");
  for (size_t rows = 1; rows <= 5; ++rows)
    count->answered_at_once({rows, 0, 0, 7, static_cast<int64_t>(rows), -1});
  const std::vector<Call> calls = world.engine->latest_calls(10);
  ASSERT_EQ(calls.size(), 3u);
  EXPECT_EQ(calls.front().rows, 3u);
  EXPECT_EQ(calls.back().rows, 5u);
  EXPECT_EQ(world.engine->latest_calls(1).front().rows, 5u);
}

TEST(EngineCount, LosesNothingOfManyThreads) {
  LaneCount count(10);
  constexpr uint64_t kEach = 50'000;
  const auto work = [&] {
    for (uint64_t i = 0; i < kEach; ++i) {
      count.answered_at_once({2, 0, 1, 2, 4, 1});
      count.hit_at_once(1);
    }
  };
  std::thread other(work);
  std::thread third([&] {
    for (uint64_t i = 0; i < kEach; ++i) count.ran({3, 4, false, 0, 1, 3, 6});
  });
  work();
  other.join();
  third.join();
  const RunCounts runs = count.run_counts();
  EXPECT_EQ(count.request_counts().answered, 4 * kEach);
  EXPECT_EQ(count.request_counts().from_cache, 2 * kEach);
  EXPECT_EQ(runs.executions, 3 * kEach);
  EXPECT_EQ(runs.rows, 7 * kEach);
  EXPECT_EQ(runs.cache_hits, 2 * kEach);
  EXPECT_EQ(runs.cache_misses, 2 * kEach);
  EXPECT_EQ(runs.input_ns, 2 * kEach + 4 * kEach);
  EXPECT_EQ(runs.infer_ns, 4 * kEach + 8 * kEach);
  EXPECT_EQ(runs.output_ns, 2 * kEach + 12 * kEach);
  EXPECT_EQ(count.stages().infer_ns.count(), 3 * kEach);
}

}  // namespace
}  // namespace spinney::engine
