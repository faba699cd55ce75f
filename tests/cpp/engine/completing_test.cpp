// Back ends that complete a batch later, from wherever they like: late, out of order, failing,
// after everybody has gone, after the engine has; and never.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <vector>

#include "engine/later_backend.h"

namespace spinney::engine {
namespace {

struct Told {
  std::atomic<int> times{0};
  double answer = 0;
  Code code{};
  bool ok = false;
  RequestId id;
};

class World : public Completion {
 public:
  explicit World(size_t concurrency = 0, bool idempotent = false, size_t rows_max = 1) {
    EngineOptions engine_options;
    engine_options.threads = false;
    engine_options.num_workers = 1;
    engine_options.clock = &clock;
    engine = Engine::make(engine_options).value();
    options.max_batch_size = rows_max;
    options.warm_up = false;
    options.adaptive_batch_size = false;
    options.shed_target_ns = 0;
    options.refuse_too_late = false;
    EXPECT_TRUE(
        engine->load("m", "", std::make_shared<Later>(begun, concurrency, idempotent), options)
            .ok());
  }
  Told& ask(double number, int64_t deadline_ns = kNever) {
    told.push_back(std::make_unique<Told>());
    Request request;
    request.rows = dense_rows(&number, 1, 1);
    request.deadline_ns = deadline_ns;
    request.completion = this;
    request.context = told.back().get();
    const Admission admission = engine->submit(request);
    EXPECT_TRUE(admission.ok()) << admission.error().message;
    told.back()->id = admission.id;
    return *told.back();
  }
  void run() {
    while (engine->run_some()) {
    }
  }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& one : finished) {
      auto& mine = *static_cast<Told*>(one.context);
      mine.ok = !one.error;
      if (one.error)
        mine.code = one.error->code;
      else
        mine.answer = *static_cast<const double*>(one.answer.data);
      mine.times.fetch_add(1);
    }
  }
  ManualClock clock{kSecond};
  ModelOptions options;
  std::shared_ptr<Begun> begun = std::make_shared<Begun>();
  std::vector<std::unique_ptr<Told>> told;
  std::unique_ptr<Engine> engine;
};

TEST(Completing, LateAndOutOfOrder) {
  World world;
  for (int i = 0; i < 5; ++i) world.ask(i);
  world.run();
  ASSERT_EQ(world.begun->batches.size(), 5u);  // nobody waits for one before the next begins
  for (const size_t i : {size_t{3}, size_t{0}, size_t{1}, size_t{1}, size_t{0}}) {
    EXPECT_TRUE(world.engine->running(world.told[4]->id) || world.told[4]->times == 1);
    world.begun->take(i).complete();
  }
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(world.told[i]->times, 1);
    EXPECT_EQ(world.told[i]->answer, 2.0 * static_cast<double>(i));
  }
  EXPECT_EQ(world.engine->stats().in_flight, 0u);
}

TEST(Completing, AtMostConcurrencyBatchesAtOnce) {
  World world(2);
  for (int i = 0; i < 5; ++i) world.ask(i);
  for (size_t done = 0; done < 5; ++done) {
    world.run();
    EXPECT_EQ(world.begun->batches.size(), std::min<size_t>(2, 5 - done));
    world.begun->take().complete();
  }
  for (const auto& one : world.told) EXPECT_TRUE(one->ok);
}

// On the thread that began it, within start().
TEST(Completing, AtOnce) {
  World world;
  world.begun->begin = [](Begun::One one) { one.complete(); };
  world.ask(3);
  world.run();
  EXPECT_EQ(world.told[0]->answer, 6);
}

TEST(Completing, FailuresFailTheirBatchAndAreHalvedWhereThatIsAllowed) {
  for (const bool idempotent : {false, true}) {
    World world(0, idempotent, 2);
    world.ask(1);
    world.ask(2);
    world.run();
    world.begun->take().complete(Error{Code::kInternal, "no"});
    world.run();
    EXPECT_EQ(world.begun->batches.size(), idempotent ? 2u : 0u);
    while (!world.begun->batches.empty()) world.begun->take().complete();
    for (const auto& one : world.told) {
      EXPECT_EQ(one->times, 1);
      EXPECT_EQ(one->ok, idempotent);
    }
  }
}

TEST(Completing, ABatchThatIsLetGoOfFails) {
  World world;
  world.ask(1);
  world.run();
  world.begun->batches.clear();
  EXPECT_EQ(world.told[0]->code, Code::kInternal);
  world.begun->begin = [](Begun::One) {};  // within start()
  world.ask(2);
  world.run();
  EXPECT_EQ(world.told[1]->code, Code::kInternal);
}

TEST(Completing, WhatStartThrowsFailsTheBatchUnlessSomebodyElseHasIt) {
  World world;
  world.begun->begin = [](Begun::One) { throw std::runtime_error("thrown"); };
  world.ask(1);
  world.run();
  EXPECT_EQ(world.told[0]->code, Code::kInternal);
  world.begun->begin = [&](Begun::One one) {
    world.begun->batches.push_back(std::move(one));
    throw std::runtime_error("thrown after it was handed on");
  };
  world.ask(2);
  world.run();
  EXPECT_EQ(world.told[1]->times, 0);
  world.begun->take().complete();
  EXPECT_EQ(world.told[1]->answer, 4);
  world.begun->begin = [&](Begun::One one) {
    one.complete();
    throw std::runtime_error("thrown after it was completed");
  };
  world.ask(3);
  world.run();
  EXPECT_EQ(world.told[2]->answer, 6);
}

TEST(Completing, LearnsWhenNobodyWaitsAnyMore) {
  World world(0, false, 8);
  const Told& first = world.ask(1);
  const Told& second = world.ask(2, world.clock.now_ns() + kMillisecond);
  world.run();
  Begun::One batch = world.begun->take();
  EXPECT_EQ(batch.input->deadline_ns, kNever);  // the first has none
  EXPECT_FALSE(batch.input->cancelled());
  EXPECT_TRUE(world.engine->cancel(first.id));
  EXPECT_FALSE(batch.input->cancelled());
  world.clock.advance(2 * kMillisecond);
  world.engine->tick();
  EXPECT_EQ(second.code, Code::kExpired);
  EXPECT_TRUE(batch.input->cancelled());
  batch.complete();
  EXPECT_EQ(first.times + second.times, 2);
  EXPECT_EQ(world.engine->stats().in_flight, 0u);

  const int64_t later = world.clock.now_ns() + 100 * kMillisecond;
  world.ask(3, later);
  world.ask(4, later + kMillisecond);
  world.run();
  ASSERT_EQ(world.begun->batches.size(), 1u);
  EXPECT_EQ(world.begun->batches[0].input->deadline_ns, later + kMillisecond);
  EXPECT_FALSE(world.begun->batches[0].input->cancelled());  // whatever that memory held before
  world.begun->take().complete();
}

// Pieces of one request in several batches, one of which has rows of another request as well.
TEST(Completing, LearnsItOfRequestsThatAreCut) {
  World world(0, false, 4);
  std::vector<double> rows(6, 1.0);
  Told large;
  Request request;
  request.rows = dense_rows(rows.data(), rows.size(), 1);
  request.completion = &world;
  request.context = &large;
  large.id = world.engine->submit(request).id;
  const Told& small = world.ask(9);
  world.run();
  ASSERT_EQ(world.begun->batches.size(), 2u);
  EXPECT_TRUE(world.engine->cancel(large.id));
  EXPECT_TRUE(world.begun->batches[0].input->cancelled());
  EXPECT_FALSE(world.begun->batches[1].input->cancelled());
  EXPECT_TRUE(world.engine->cancel(small.id));
  EXPECT_TRUE(world.begun->batches[1].input->cancelled());
  while (!world.begun->batches.empty()) world.begun->take().complete();
  EXPECT_EQ(world.engine->stats().in_flight, 0u);
}

TEST(Completing, AfterAReloadAnUnloadAStopAndTheEnginesEnd) {
  for (int what = 0; what < 4; ++what) {
    World world;
    const Told& told = world.ask(1);
    world.run();
    Begun::One batch = world.begun->take();
    if (what == 0) {
      ASSERT_TRUE(
          world.engine->load("m", "", std::make_shared<Later>(world.begun), world.options).ok());
    }
    if (what == 1) {
      ASSERT_TRUE(world.engine->unload("m").ok());
    }
    if (what == 2) world.engine->stop(0);
    if (what == 3) world.engine.reset();
    EXPECT_EQ(told.times, what < 2 ? 0 : 1) << what;
    EXPECT_EQ(batch.input->cancelled(), what >= 2);
    batch.complete();
    EXPECT_EQ(told.times, 1);
    EXPECT_EQ(told.ok, what < 2);
  }
}

// The last that holds engine and model is the batch itself.
TEST(Completing, LetsGoOfTheEngineAtLast) {
  auto world = std::make_unique<World>();
  const std::weak_ptr<Begun> begun = world->begun;
  world->ask(1);
  world->run();
  Begun::One batch = world->begun->take();
  world->engine.reset();
  world->begun->begin = {};
  world->begun.reset();
  EXPECT_FALSE(begun.expired());  // by the model, which the batch keeps
  batch.complete();
  EXPECT_TRUE(begun.expired());
}

TEST(Completing, InAForkedChildTheParentsBatchesAreForgotten) {
  World world;
  const Told& told = world.ask(1);
  world.ask(2);
  world.run();
  const pid_t child = fork();
  if (child == 0) {
    world.begun->take().complete();  // of no consequence, before and after
    if (told.times != 0) _exit(4);
    world.engine->after_fork_in_child();
    if (told.times != 1 || told.code != Code::kShutDown) _exit(1);
    world.begun->take().complete();
    if (told.times != 1 || world.engine->stats().in_flight != 0) _exit(2);
    const Told& own = world.ask(5);
    world.run();
    world.begun->take().complete();
    _exit(own.answer == 10 ? 0 : 3);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  for (int i = 0; i < 2; ++i) world.begun->take().complete();
  EXPECT_EQ(told.answer, 2);
}

}  // namespace
}  // namespace spinney::engine
