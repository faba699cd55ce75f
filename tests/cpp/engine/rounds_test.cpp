// What failed is tried again: rounds of retries, items with a fate of their own, and engines that
// threads of others serve.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "engine/paced.h"

namespace spinney::engine {
namespace {

TEST(Retries, WhatFailedIsTriedAgainTogetherAfterTheDelay) {
  ModelOptions options;
  options.max_retries = 2;
  options.retry_delay_ns = 250;
  Paced paced(options);
  paced.faults = 7;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(paced.ask(i).ok());
  EXPECT_EQ(paced.run_all(), 7u);
  EXPECT_EQ(paced.status().retry_at_ns, paced.clock.now_ns() + 250);
  EXPECT_EQ(paced.engine->tick(), paced.clock.now_ns() + 250);
  ASSERT_TRUE(paced.ask(9).ok());
  EXPECT_EQ(paced.run_all(), 1u);  // others run meanwhile
  paced.clock.advance(250);
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_EQ(paced.sizes(), (std::vector<size_t>{4, 2, 1, 1, 2, 1, 1, 1, 4}));
  EXPECT_EQ(paced.answered.size(), 5u);
  EXPECT_TRUE(paced.failed.empty());
  EXPECT_EQ(paced.engine->stats().in_flight, 0u);
}

TEST(Retries, APoisonRequestFailsAloneAfterThem) {
  ModelOptions options;
  options.max_retries = 3;
  Paced paced(options);
  paced.poison = {5};
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(paced.ask(i).ok());
  paced.run_all();
  EXPECT_EQ(paced.sizes(), (std::vector<size_t>{8, 4, 4, 2, 1, 1, 2, 1, 1, 1}));
  EXPECT_EQ(paced.failed, (std::map<double, Code>{{5, Code::kInternal}}));
  EXPECT_EQ(paced.answered.size(), 7u);
}

TEST(Retries, WithoutHalvingTheBatchIsTriedAsAWholeAndWhatMayNotIsNot) {
  ModelOptions options;
  options.max_retries = 2;
  options.halve_failed = false;
  Paced whole(options);
  whole.poison = {1};
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(whole.ask(i).ok());
  whole.run_all();
  EXPECT_EQ(whole.sizes(), (std::vector<size_t>{4, 4, 4}));
  EXPECT_EQ(whole.failed.size(), 4u);

  options.halve_failed = true;
  Paced final_word(options);
  final_word.poison = {1};
  final_word.again = false;
  Paced once(options, false);
  once.poison = {1};
  for (Paced* paced : {&final_word, &once}) {
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(paced->ask(i).ok());
    paced->run_all();
    EXPECT_EQ(paced->sizes(), (std::vector<size_t>{4}));
    EXPECT_EQ(paced->failed.size(), 4u);
  }
}

// Of items with a fate of their own, beside others that are answered or fail together.
TEST(Retries, ItemsFailByThemselvesAndThoseThatMayAreTriedAgain) {
  struct Item final : Parcel {
    size_t bytes() const noexcept override { return 8; }
  };
  struct Told final : Completion {
    void finish(std::span<Finished> finished) noexcept override {
      for (const Finished& f : finished)
        codes[reinterpret_cast<intptr_t>(f.context)].push_back(
            f.error ? std::optional(f.error->code) : std::nullopt);
    }
    std::map<intptr_t, std::vector<std::optional<Code>>> codes;
  } told;
  ManualClock clock{kSecond};
  EngineOptions engine_options;
  engine_options.threads = false;
  engine_options.clock = &clock;
  const auto engine = Engine::make(engine_options).value();
  backend::CallableOptions callable;
  callable.idempotent = true;
  callable.takes = [](const Parcel&) { return true; };
  std::vector<size_t> sizes;
  bool all_fail = false;
  const auto score = [&](const backend::BatchInput& in, backend::BatchOutput& out) -> Status {
    sizes.push_back(in.items.size());
    if (sizes.size() == 1) {
      out.item_errors.push_back({3, {Code::kInternal, "again"}, nullptr, true});
      out.item_errors.push_back({1, {Code::kInternal, "not again"}, nullptr, false});
      out.item_errors.push_back({0, {Code::kCancelled, "nobody waits"}, nullptr, false});
    } else if (all_fail && in.items.size() > 1) {
      if (in.items.size() == 3)
        out.item_errors.push_back({0, {Code::kCancelled, ""}, nullptr, false});
      return Error{Code::kInternal, "all"};
    }
    return {};
  };
  ModelOptions options;
  options.max_retries = 1;
  ASSERT_TRUE(engine->load("m", "", backend::make_callable(score, callable), options).ok());
  const auto ask = [&](intptr_t number) {
    Request request;
    request.parcel = std::make_shared<Item>();
    request.completion = &told;
    request.context = reinterpret_cast<void*>(number);
    EXPECT_TRUE(engine->submit(request).ok());
  };
  const auto run_all = [&] {
    while (engine->run_some()) {
    }
  };
  for (intptr_t i = 0; i < 4; ++i) ask(i);
  run_all();
  EXPECT_EQ(sizes, (std::vector<size_t>{4, 1}));
  all_fail = true;
  for (intptr_t i = 4; i < 7; ++i) ask(i);
  run_all();
  EXPECT_EQ(sizes, (std::vector<size_t>{4, 1, 3, 1, 1}));  // the halves of those that are left
  const std::map<intptr_t, std::vector<std::optional<Code>>> expected = {
      {0, {Code::kCancelled}}, {1, {Code::kInternal}}, {2, {std::nullopt}}, {3, {std::nullopt}},
      {4, {Code::kCancelled}}, {5, {std::nullopt}},    {6, {std::nullopt}}};
  EXPECT_EQ(told.codes, expected);
  const RequestCounts counts = engine->stats().requests;
  EXPECT_EQ(counts.cancelled, 2u);
  EXPECT_EQ(counts.failed, 1u);
  EXPECT_EQ(counts.answered, 4u);
  EXPECT_EQ(counts.in_flight(), 0u);
}

TEST(Retries, OneThatExpiresOrIsCancelledMeanwhileIsNotTried) {
  ModelOptions options;
  options.max_retries = 1;
  options.retry_delay_ns = 100;
  options.halve_failed = false;
  options.deadline_until_run = true;
  Paced paced(options);
  paced.faults = 1;
  ASSERT_TRUE(paced.ask(1, kNever, paced.clock.now_ns() + 50).ok());
  const Admission second = paced.ask(2);
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE(paced.ask(3).ok());
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_TRUE(paced.engine->cancel(second.id));
  paced.clock.advance(50);
  paced.engine->tick();
  EXPECT_EQ(paced.failed[1], Code::kExpired);
  paced.clock.advance(50);
  EXPECT_EQ(paced.run_all(), 1u);
  EXPECT_EQ(paced.batches.back(), (Values{3}));
  EXPECT_EQ(paced.answered, (std::set<double>{3}));
}

TEST(Retries, ARequestInPiecesIsDueOnce) {
  ModelOptions options;
  options.max_batch_size = 2;
  options.max_retries = 1;
  options.retry_delay_ns = 100;
  options.deadline_until_run = true;
  Paced paced(options);
  paced.faults = 2;
  ASSERT_TRUE(paced.ask(1, kNever, paced.clock.now_ns() + kSecond, 4).ok());
  EXPECT_EQ(paced.run_all(), 2u);
  paced.clock.advance(100);
  EXPECT_EQ(paced.run_all(), 2u);
  EXPECT_EQ(paced.answered, (std::set<double>{1}));
  paced.faults = 2;
  ASSERT_TRUE(paced.ask(2, kNever, paced.clock.now_ns() + 50, 4).ok());
  EXPECT_EQ(paced.run_all(), 2u);
  paced.clock.advance(50);
  paced.engine->tick();
  EXPECT_EQ(paced.failed, (std::map<double, Code>{{2, Code::kExpired}}));
}

TEST(Retries, DrainingCutsTheDelayShortAndStopAnswersWhatWaitsForOne) {
  ModelOptions options;
  options.max_retries = 1;
  options.retry_delay_ns = kSecond;
  Paced drained(options), stopped(options);
  for (Paced* paced : {&drained, &stopped}) {
    paced->faults = 1;
    ASSERT_TRUE(paced->ask(1).ok());
    EXPECT_EQ(paced->run_all(), 1u);
    EXPECT_EQ(paced->engine->stats().in_flight, 1u);
  }
  EXPECT_TRUE(drained.engine->drain(0));
  EXPECT_EQ(drained.answered, (std::set<double>{1}));
  stopped.poison = {1};
  stopped.engine->stop(0);
  EXPECT_EQ(stopped.failed[1], Code::kInternal);
}

// Threads of others serve the engine; the timer among them wakes them for what is due.
TEST(Served, ThreadsOfOthersRunBatchesExpireRequestsAndTryAgain) {
  class Counting final : public Completion {
   public:
    void finish(std::span<Finished> finished) noexcept override {
      for (const Finished& f : finished) ++(f.error ? failed : answered);
    }
    std::atomic<int> answered{0}, failed{0};
  } counting;
  EngineOptions engine_options;
  engine_options.threads = false;
  engine_options.served_by_others = true;
  const auto engine = Engine::make(engine_options).value();
  std::atomic<int> faults{3};
  backend::CallableOptions callable;
  callable.width = 1;
  callable.concurrency = 0;
  callable.idempotent = true;
  const auto score = [&](const backend::BatchInput&, backend::BatchOutput&) -> Status {
    return faults.fetch_sub(1) > 0 ? Status(Error{Code::kInternal, "fault"}) : Status();
  };
  ModelOptions options;
  options.single_flight = options.warm_up = false;
  options.shed_target_ns = 0;
  options.max_retries = 100;
  options.retry_delay_ns = kMillisecond;
  ASSERT_TRUE(engine->load("m", "", backend::make_callable(score, callable), options).ok());
  std::atomic<bool> leave{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      while (!leave.load()) {
        const uint32_t seen = engine->news();
        if (!engine->run_some() && !leave.load()) engine->await_news(seen);
      }
    });
  threads.emplace_back([&] { engine->keep_time(leave); });
  const auto ask = [&](int64_t deadline_ns) {
    const double value = 1;
    Request request;
    request.rows = dense_rows(&value, 1, 1);
    request.completion = &counting;
    request.deadline_ns = deadline_ns;
    EXPECT_TRUE(engine->submit(request).ok());
  };
  for (int i = 0; i < 1000; ++i) ask(kNever);
  while (counting.answered.load() < 1000) std::this_thread::yield();
  ASSERT_TRUE(engine->pause("m", true).ok());
  ask(engine->now_ns() + 5 * kMillisecond);
  while (counting.failed.load() < 1) std::this_thread::yield();  // expired, as nothing may start
  ask(kNever);
  EXPECT_TRUE(engine->drain(60 * kSecond));
  EXPECT_EQ(counting.answered.load(), 1001);
  leave.store(true);
  engine->rouse();
  for (std::thread& thread : threads) thread.join();
}

// What waits for a retry is answered by a stop that nobody serves.
TEST(Served, StopAnswersWhatWaitsForARetry) {
  ModelOptions options;
  options.max_retries = 1;
  options.retry_delay_ns = kSecond;
  Paced paced(options, true, true);
  paced.faults = 3;
  ASSERT_TRUE(paced.ask(1).ok());
  ASSERT_TRUE(paced.ask(2).ok());
  while (paced.engine->run_some()) {
  }
  EXPECT_EQ(paced.sizes(), (std::vector<size_t>{2, 1, 1}));
  paced.engine->stop(0);
  EXPECT_EQ(paced.failed, (std::map<double, Code>{{1, Code::kShutDown}, {2, Code::kShutDown}}));
  EXPECT_EQ(paced.engine->stats().in_flight, 0u);
}

}  // namespace
}  // namespace spinney::engine
