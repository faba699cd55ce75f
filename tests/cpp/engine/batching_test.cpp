// Batches of an engine without threads, whose clock the test moves: how they grow, are halved and
// wait, and what overload does.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "spinney/engine/engine.h"

namespace spinney::engine {
namespace {

// An engine, its clock, and a model that takes row_ns * rows + batch_ns and fails on poison rows.
class Bench : public Completion {
 public:
  explicit Bench(ModelOptions options, int64_t row_ns = 0, int64_t batch_ns = 0) {
    EngineOptions engine_options;
    engine_options.threads = false;
    engine_options.clock = &clock;
    engine_options.num_workers = 1;
    engine = Engine::make(engine_options).value();
    backend::CallableOptions callable;
    callable.width = 1;
    callable.shape = {1, ElementType::kFloat64};
    callable.idempotent = true;
    options.warm_up = false;
    const auto score = [=, this](const backend::BatchInput& in,
                                 backend::BatchOutput& out) -> Status {
      batches.push_back(in.rows.count);
      clock.advance(row_ns * static_cast<int64_t>(in.rows.count) + batch_ns);
      for (size_t r = 0; r < in.rows.count; ++r) {
        static_cast<double*>(out.data)[r] = in.rows.at(r, 0);
        if (poison.count(in.rows.at(r, 0))) return Error{Code::kInternal, "poison"};
      }
      return {};
    };
    EXPECT_TRUE(engine->load("m", "", backend::make_callable(score, callable), options).ok());
  }
  ~Bench() override { engine->stop(0); }

  Admission ask(double value, int64_t deadline_ns = kNever) {
    Request request;
    request.rows = dense_rows(&value, 1, 1);
    request.completion = this;
    request.deadline_ns = deadline_ns;
    request.context = reinterpret_cast<void*>(static_cast<intptr_t>(value));
    return engine->submit(request);
  }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& f : finished) {
      const auto value = static_cast<double>(reinterpret_cast<intptr_t>(f.context));
      if (f.error)
        failed[value] = f.error->code;
      else if (*static_cast<const double*>(f.answer.data) == value)
        answered.insert(value);
    }
  }
  void run_all() {
    while (engine->run_some()) {
    }
  }

  ManualClock clock{kSecond};
  std::unique_ptr<Engine> engine;
  std::set<double> poison;
  std::vector<size_t> batches;
  std::set<double> answered;
  std::map<double, Code> failed;
};

TEST(Batching, BatchesOfSlowRowsStayShortAndThoseOfDearBatchesGrow) {
  const auto settled = [](int64_t row_ns, int64_t batch_ns) {
    ModelOptions options;
    options.shed_target_ns = 0;
    Bench bench(options, row_ns, batch_ns);
    double value = 0;
    for (size_t round = 0; round < 100; ++round) {
      for (size_t i = 0; i < 1 + round * 7 % 64; ++i) EXPECT_TRUE(bench.ask(++value).ok());
      bench.run_all();
    }
    EXPECT_EQ(bench.answered.size(), static_cast<size_t>(value));
    return bench.engine->models()[0].batch_size;
  };
  EXPECT_EQ(settled(50 * kMicrosecond, 0), 8u);
  const size_t middle = settled(10 * kMicrosecond, 5 * kMicrosecond);
  EXPECT_GT(middle, 8u);
  EXPECT_LT(middle, 64u);
  EXPECT_EQ(settled(kMicrosecond, kMillisecond), 64u);
}

TEST(Batching, SeveralPoisonRowsFailAloneAfterHalving) {
  ModelOptions options;
  options.shed_target_ns = 0;
  options.single_flight = false;
  Bench bench(options);
  bench.poison = {3, 17, 18, 40, 63};
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(bench.ask(i).ok());
  bench.run_all();
  EXPECT_EQ(bench.answered.size(), 59u);
  EXPECT_EQ(bench.failed.size(), 5u);
  for (const double value : bench.poison) {
    EXPECT_EQ(bench.failed[value], Code::kInternal);
    EXPECT_EQ(bench.answered.count(value), 0u);
  }
  // Each poison row costs at most two batches for each halving of 64 rows, and the first one.
  EXPECT_LE(bench.batches.size(), 1 + 5 * 2 * 6u);
  EXPECT_EQ(bench.batches[0], 64u);
  EXPECT_EQ(bench.engine->stats().requests.failed, 5u);
}

TEST(Batching, WaitsForRowsUntilTheTimeoutAndNoLonger) {
  ModelOptions options;
  options.min_batch_size = 4;
  options.batch_timeout_ns = 2 * kMillisecond;
  Bench bench(options);
  ASSERT_TRUE(bench.ask(1).ok());
  EXPECT_FALSE(bench.engine->run_some());
  EXPECT_EQ(bench.engine->tick(), bench.clock.now_ns() + 2 * kMillisecond);
  bench.clock.advance(2 * kMillisecond - 1);
  EXPECT_FALSE(bench.engine->run_some());
  bench.clock.advance(1);
  EXPECT_TRUE(bench.engine->run_some());
  EXPECT_EQ(bench.batches, std::vector<size_t>{1});
  for (int i = 2; i < 6; ++i) ASSERT_TRUE(bench.ask(i).ok());
  EXPECT_TRUE(bench.engine->run_some());  // enough rows: at once
  EXPECT_EQ(bench.batches.back(), 4u);
}

TEST(Batching, ADeadlineEndsTheWaitBeforeTheTimeout) {
  ModelOptions options;
  options.min_batch_size = 4;
  options.batch_timeout_ns = 50 * kMillisecond;
  Bench bench(options);
  const int64_t deadline = bench.clock.now_ns() + 5 * kMillisecond;
  ASSERT_TRUE(bench.ask(1).ok());
  ASSERT_TRUE(bench.ask(2, deadline).ok());
  EXPECT_FALSE(bench.engine->run_some());
  const int64_t next = bench.engine->tick();
  EXPECT_LT(next, deadline);
  bench.clock.advance(deadline - kMillisecond / 10 - bench.clock.now_ns());
  EXPECT_TRUE(bench.engine->run_some());
  EXPECT_EQ(bench.batches, std::vector<size_t>{2});
  EXPECT_EQ(bench.answered.size(), 2u);
}

// On a busy machine threads wake milliseconds late: a batch that was held must still be answered.
TEST(Batching, AHeldBatchLeavesTimeForThreadsThatWakeLate) {
  ModelOptions options;
  options.min_batch_size = 4;
  options.batch_timeout_ns = kSecond;
  Bench bench(options, kMicrosecond, 10 * kMicrosecond);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(bench.ask(i).ok());
  bench.run_all();
  for (const int64_t time : {10 * kMillisecond, 100 * kMillisecond}) {
    const int64_t deadline = bench.clock.now_ns() + time;
    ASSERT_TRUE(bench.ask(static_cast<double>(5 + time), deadline).ok());
    EXPECT_FALSE(bench.engine->run_some());
    const int64_t begin = bench.engine->tick();
    EXPECT_LE(begin, deadline - time / 10);
    EXPECT_GE(begin, deadline - time / 3);
    bench.clock.advance(begin - bench.clock.now_ns());
    EXPECT_TRUE(bench.engine->run_some());
  }
  EXPECT_TRUE(bench.failed.empty());
}

// One row a millisecond is served; `per_ms` are asked for.
size_t refused_in(Bench& bench, double per_ms, int64_t milliseconds, double& value) {
  size_t refused = 0;
  double due = 0;
  const int64_t end = bench.clock.now_ns() + milliseconds * kMillisecond;
  while (bench.clock.now_ns() < end) {
    const int64_t before = bench.clock.now_ns();
    if (!bench.engine->run_some()) bench.clock.advance(kMillisecond / 4);
    const auto passed = static_cast<double>(bench.clock.now_ns() - before);
    for (due += per_ms * passed / kMillisecond; due >= 1; due -= 1) {
      const Admission admission = bench.ask(++value);
      if (admission.ok()) continue;
      EXPECT_EQ(admission.error().code, Code::kThrottled);
      EXPECT_GT(admission.retry_after_ns, 0);
      ++refused;
    }
  }
  return refused;
}

TEST(Overload, RefusesWhileItLastsAndRecovers) {
  ModelOptions options;
  options.max_batch_size = 1;
  Bench bench(options, kMillisecond, 0);
  double value = 0;
  EXPECT_EQ(refused_in(bench, 0.8, 1'000, value), 0u);
  EXPECT_EQ(bench.failed.size(), 0u);
  EXPECT_GT(refused_in(bench, 2, 2'000, value), 1'000u);
  // What is served waits for no longer than twice the target and the batch that runs, and the
  // model is kept busy all the same.
  const size_t served = bench.answered.size();
  refused_in(bench, 2, 1'000, value);
  EXPECT_GE(bench.answered.size() - served, 950u);
  EXPECT_LE(bench.engine->models()[0].queued_rows, 12u);
  for (const auto& [asked, code] : bench.failed) EXPECT_EQ(code, Code::kThrottled);
  refused_in(bench, 0.5, 1'000, value);  // the state ends
  const size_t failed = bench.failed.size();
  EXPECT_EQ(refused_in(bench, 0.8, 1'000, value), 0u);
  EXPECT_EQ(bench.failed.size(), failed);
}

TEST(Overload, ABurstThatDrainsIsNone) {
  ModelOptions options;
  options.max_batch_size = 1;
  Bench bench(options, kMillisecond, 0);
  double value = 0;
  EXPECT_EQ(refused_in(bench, 0.5, 500, value), 0u);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(bench.ask(++value).ok());
  bench.run_all();
  EXPECT_EQ(refused_in(bench, 0.5, 500, value), 0u);
  EXPECT_EQ(bench.failed.size(), 0u);
}

}  // namespace
}  // namespace spinney::engine
