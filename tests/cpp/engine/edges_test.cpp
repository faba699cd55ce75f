// Where two things meet: completions that ask again, answers that cannot be kept, requests that
// wait together to be tried again, batches that end after their lane's last request.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "engine/direct_world.h"
#include "engine/failing_allocations.h"
#include "engine/later_backend.h"

namespace spinney::engine {
namespace {

// Each completion asks the next one, and each is answered where it is asked.
struct Chain final : Completion {
  explicit Chain(bool kept)
      : queued(kept), world(std::make_shared<direct_world::Doubling>(), {}, with_cache(kept)) {}
  static EngineOptions with_cache(bool kept) {
    EngineOptions options;
    options.cache_entries = kept ? 10 : 0;
    return options;
  }
  void ask() {
    Request request;
    request.rows = dense_rows(&value, 1, 1);
    request.completion = this;
    const Admission admission =
        queued ? world.engine->submit(request) : world.engine->run_or_submit(request);
    EXPECT_TRUE(admission.ok());
  }
  void finish(std::span<Finished> finished) noexcept override {
    told += static_cast<int>(finished.size());
    deepest = std::max(deepest, ++depth);
    if (told < 100) ask();
    --depth;
  }
  bool queued;
  direct_world::World world;
  int depth = 0, deepest = 0, told = 0;
  double value = 1;
};

TEST(Edges, AChainOfRequestsIsNotAsDeepAsItIsLong) {
  for (const bool kept : {false, true}) {
    Chain chain(kept);
    chain.ask();
    while (chain.world.engine->run_some()) {
    }
    EXPECT_EQ(chain.told, 100);
    // Whoever tells of one from the queue, that one's completion of another from here, and that one
    // of what is kept.
    EXPECT_LE(chain.deepest, 3);
    EXPECT_EQ(chain.world.engine->stats().in_flight, 0u);
    if (kept) {
      EXPECT_EQ(chain.world.counts().from_cache, 99u);
    }
    if (!kept) {
      EXPECT_GT(chain.world.counts().at_once, 0u);
    }
  }
}

TEST(Edges, WhatIsTooMuchForTheQueueOrOneBatchIsNotAnsweredAtOnce) {
  const std::vector<double> rows(3, 1.0);
  for (const int which : {0, 1, 2}) {
    ModelOptions options;
    if (which == 0) options.max_request_rows = 2;
    if (which == 1) options.max_batch_size = 2;
    direct_world::World world(std::make_shared<direct_world::Doubling>(), options);
    if (which == 2) {
      EXPECT_TRUE(world.engine->limit_batch("m", 2).ok());
    }
    Request request;
    request.rows = dense_rows(rows.data(), rows.size(), 1);
    request.completion = &world.told;
    const Admission admission = world.engine->run_or_submit(request);
    EXPECT_EQ(admission.refusal, which == 0 ? Refusal::kNoRows : Refusal::kNone);
    EXPECT_EQ(world.told.count, 0) << which;
    while (world.engine->run_some()) {
    }
    EXPECT_EQ(world.told.count, which == 0 ? 0 : 1);
  }
}

struct Telling final : Completion {
  std::map<void*, Code> failed;
  std::map<void*, std::vector<double>> answered;
  void finish(std::span<Finished> finished) noexcept override {
    testing_world::failing_per_mille() = 0;
    for (const Finished& one : finished) {
      if (one.error) {
        failed[one.context] = one.error->code;
        continue;
      }
      const Tensor last = one.answer.tensor(one.answer.tensors() - 1);
      const auto* numbers = static_cast<const double*>(last.data);
      answered[one.context].assign(numbers, numbers + one.answer.rows * last.shape.columns);
    }
  }
};

// Of two requests in one batch the first one's answer finds no memory to be kept.
TEST(Edges, AnAnswerThatCannotBeKeptLeavesItsNeighboursTheirOwn) {
  constexpr size_t kColumns = 16;
  size_t kept = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    EngineOptions engine_options;
    engine_options.threads = false;
    engine_options.cache_entries = 100;
    const auto engine = Engine::make(engine_options).value();
    backend::CallableOptions given;
    given.width = 1;
    given.idempotent = true;
    given.outputs = {{"a", {kColumns, ElementType::kFloat64}},
                     {"b", {kColumns, ElementType::kFloat64}}};
    const auto score = [&](const backend::BatchInput& in, backend::BatchOutput& out) -> Status {
      for (const backend::Place& place : out.places)
        for (size_t i = 0; i < in.rows.count * kColumns; ++i)
          static_cast<double*>(place.data)[i] = in.rows.at(i / kColumns, 0);
      testing_world::failing_state() = seed;
      testing_world::failing_per_mille() = 600;
      return {};
    };
    ModelOptions options;
    options.warm_up = options.adaptive_batch_size = false;
    options.max_batch_size = 10'000;
    ASSERT_TRUE(engine->load("m", "", backend::make_callable(score, given), options).ok());
    const std::vector<double> many(8 * (seed + 1), 1.0), few(1, 2.0);
    for (int round = 0; round < 2; ++round) {
      Telling told;
      const std::vector<std::string_view> names{"a", "b"};
      for (const std::vector<double>* rows : {&many, &few}) {
        Request request;
        request.rows = dense_rows(rows->data(), rows->size(), 1);
        request.outputs = names;
        request.completion = &told;
        request.context = const_cast<std::vector<double>*>(rows);
        ASSERT_TRUE(engine->submit(request).ok());
      }
      kept += round == 1 ? told.answered.size() : 0;
      while (engine->run_some()) {
      }
      testing_world::failing_per_mille() = 0;
      for (const auto& [context, numbers] : told.answered)
        for (const double number : numbers)
          ASSERT_EQ(number, static_cast<std::vector<double>*>(context)->front()) << seed;
    }
  }
  EXPECT_GT(kept, 0u);
}

// Equal requests of which one runs: each has its own deadline while all wait to be tried again.
TEST(Edges, WhoeverWaitsWithOneThatIsTriedAgainExpiresByItself) {
  ManualClock clock{kSecond};
  EngineOptions engine_options;
  engine_options.threads = false;
  engine_options.clock = &clock;
  const auto engine = Engine::make(engine_options).value();
  backend::CallableOptions given;
  given.width = 1;
  given.shape = {1, ElementType::kFloat64};
  given.idempotent = true;
  const auto fails = [](const backend::BatchInput&, backend::BatchOutput&) -> Status {
    return Error{Code::kInternal, "fault"};
  };
  ModelOptions options;
  options.warm_up = false;
  options.max_retries = 1;
  options.retry_delay_ns = kSecond;
  options.deadline_until_run = true;
  options.refuse_too_late = false;
  ASSERT_TRUE(engine->load("m", "", backend::make_callable(fails, given), options).ok());
  Telling told;
  const double value = 1;
  int contexts[2];
  for (int i = 0; i < 2; ++i) {
    Request request;
    request.rows = dense_rows(&value, 1, 1);
    request.completion = &told;
    request.context = &contexts[i];
    if (i == 1) request.deadline_ns = clock.now_ns() + 10 * kMillisecond;
    ASSERT_TRUE(engine->submit(request).ok());
  }
  EXPECT_TRUE(engine->run_some());
  clock.advance(20 * kMillisecond);
  engine->tick();
  EXPECT_EQ(told.failed, (std::map<void*, Code>{{&contexts[1], Code::kExpired}}));
  engine->stop(0);
}

TEST(Edges, ALimitByHandHoldsAgainstTheOtherSizes) {
  for (const bool first : {false, true}) {
    direct_world::World world;
    ModelOptions options;
    options.warm_up = false;
    options.max_batch_size = 64;
    options.min_batch_size = 8;
    if (first) options.initial_batch_size = 16;
    ASSERT_TRUE(world.engine->load("m", "", world.backend, options).ok());
    ASSERT_TRUE(world.engine->limit_batch("m", 2).ok());
    const double values[] = {1, 2, 3, 4, 5};
    for (const double& value : values) ASSERT_TRUE(world.engine->submit(world.request(value)).ok());
    EXPECT_EQ(world.engine->models().at(0).batch_size, 2u);
    while (world.engine->run_some()) {
    }
    EXPECT_EQ(world.backend->calls, 3);
    EXPECT_EQ(world.told.count, 5);
  }
}

TEST(Edges, ABatchIsFullAtALimitByHandThatIsBelowTheLeastSize) {
  direct_world::World world;
  ModelOptions options;
  options.warm_up = false;
  options.max_batch_size = 64;
  options.min_batch_size = 8;
  options.batch_timeout_ns = kSecond;
  ASSERT_TRUE(world.engine->load("m", "", world.backend, options).ok());
  ASSERT_TRUE(world.engine->limit_batch("m", 2).ok());
  const double values[] = {1, 2};
  ASSERT_TRUE(world.engine->submit(world.request(values[0])).ok());
  EXPECT_FALSE(world.engine->run_some());
  ASSERT_TRUE(world.engine->submit(world.request(values[1])).ok());
  EXPECT_TRUE(world.engine->run_some());
  EXPECT_EQ(world.told.count, 2);
}

// A cancelled request is still being told when the batch with its rows is completed, by a thread
// that is no worker's; whoever tells it is then the last that the lane waits for.
TEST(Edges, WhoCompletesABatchKeepsItsLaneUntilHeIsDone) {
  struct Slow final : Completion {
    std::atomic<bool> inside{false}, go_on{false};
    void finish(std::span<Finished>) noexcept override {
      inside = true;
      while (!go_on) std::this_thread::yield();
    }
  } slow;
  ManualClock clock{kSecond};
  EngineOptions engine_options;
  engine_options.threads = false;
  engine_options.clock = &clock;
  const auto engine = Engine::make(engine_options).value();
  const auto begun = std::make_shared<Begun>();
  std::weak_ptr<int> lane;  // whose options hold it
  {
    const auto token = std::make_shared<int>(0);
    lane = token;
    ModelOptions options;
    options.warm_up = false;
    options.row_keys.write = [token](const Rows&, size_t, uint8_t*) {};
    ASSERT_TRUE(engine->load("m", "", std::make_shared<Later>(begun), options).ok());
  }
  const double value = 1;
  Request request;
  request.rows = dense_rows(&value, 1, 1);
  request.completion = &slow;
  const Admission admission = engine->submit(request);
  ASSERT_TRUE(admission.ok());
  ASSERT_TRUE(engine->run_some());
  std::thread telling([&] { EXPECT_TRUE(engine->cancel(admission.id)); });
  while (!slow.inside) std::this_thread::yield();
  ASSERT_TRUE(engine->unload("m").ok());
  bool kept = false;
  Begun::One batch = begun->take();
  batch.output->object = std::shared_ptr<void>(nullptr, [&](void*) {  // once the batch is cleared
    slow.go_on = true;
    telling.join();
    engine->tick();
    kept = !lane.expired();
  });
  batch.complete();
  EXPECT_TRUE(kept);
  engine->tick();
  EXPECT_TRUE(lane.expired());
}

// The thread that completes a batch takes no batches itself, so it wakes one that does.
TEST(Edges, ABatchThatFailsLaterIsTriedAgainAtOnceByADrain) {
  struct Counting final : Completion {
    std::atomic<int> answered{0};
    void finish(std::span<Finished> finished) noexcept override {
      for (const Finished& one : finished) answered += one.error == nullptr;
    }
  } counting;
  EngineOptions engine_options;
  engine_options.num_workers = 1;
  const auto engine = Engine::make(engine_options).value();
  const auto begun = std::make_shared<Begun>();
  std::atomic<int> batches{0};  // of which the first one is completed before the second begins
  begun->begin = [&](Begun::One one) {
    begun->batches.push_back(std::move(one));
    ++batches;
  };
  ModelOptions options;
  options.warm_up = false;
  options.max_retries = 1;
  options.retry_delay_ns = 3600 * kSecond;
  ASSERT_TRUE(engine->load("m", "", std::make_shared<Later>(begun, 0, true), options).ok());
  const double value = 1;
  Request request;
  request.rows = dense_rows(&value, 1, 1);
  request.completion = &counting;
  ASSERT_TRUE(engine->submit(request).ok());
  while (batches < 1) std::this_thread::yield();
  std::atomic<bool> drained{false};
  std::thread draining([&] {
    EXPECT_TRUE(engine->drain(10 * kSecond));
    drained = true;
  });
  request.model = "no such";
  while (engine->submit(request).refusal != Refusal::kShutDown) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the worker sleeps by then
  begun->take().complete(Error{Code::kInternal, "fault"});
  while (batches < 2 && !drained) std::this_thread::yield();
  if (batches == 2) begun->take().complete();
  draining.join();
  EXPECT_EQ(counting.answered, 1);
  engine->stop(0);
}

}  // namespace
}  // namespace spinney::engine
