// A batch owns what it reads until it ends: whatever becomes of its requests meanwhile, their
// parcels are there, and afterwards they are let go of, once.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spinney/engine/engine.h"

namespace spinney::engine {
namespace {

class Numbered : public Parcel {
 public:
  explicit Numbered(double n) : number(n) {}
  size_t bytes() const noexcept override { return sizeof *this; }
  bool comparable() const noexcept override { return true; }
  uint64_t hash() const noexcept override { return 3; }
  bool equals(const Parcel& other) const noexcept override {
    return number == static_cast<const Numbered&>(other).number;
  }
  const double number;
};

// Parcels have the numbers of things; the engine has no threads, so that everything
// happens within one batch, where the test wants it.
class World : public Completion {
 public:
  struct Thing {
    std::weak_ptr<const Parcel> watched;
    RequestId id;
    int told = 0;
    Code code{};
    bool ok = false;
  };

  explicit World(bool idempotent = false, size_t max_batch_size = 64) {
    EngineOptions engine_options;
    engine_options.threads = false;
    engine_options.num_workers = 1;
    engine_options.clock = &clock;
    engine = Engine::make(engine_options).value();
    options.max_batch_size = max_batch_size;
    options.shed_target_ns = 0;
    options.refuse_too_late = false;
    options.warm_up = false;
    idempotent_ = idempotent;
    load();
  }
  void load() {
    backend::CallableOptions given;
    given.width = 1;
    given.shape = {1, ElementType::kFloat64};
    given.idempotent = idempotent_;
    given.takes = [](const Parcel&) { return true; };
    auto backend = backend::make_callable(
        [this](const backend::BatchInput& input, backend::BatchOutput& output) {
          return score(input, output);
        },
        given);
    ASSERT_TRUE(engine->load("m", "", std::move(backend), options).ok());
  }
  Thing& ask(size_t rows = 1, int64_t deadline_ns = kNever, double same_as = -1) {
    things.push_back(std::make_unique<Thing>());
    Thing& thing = *things.back();
    const double number = same_as >= 0 ? same_as : static_cast<double>(things.size() - 1);
    const std::vector<double> numbers(rows, number);
    Request request;
    request.model = "m";
    if (rows > 1)
      request.rows = dense_rows(numbers.data(), rows, 1);
    else
      request.parcel = std::make_shared<Numbered>(number);
    thing.watched = request.parcel;
    request.deadline_ns = deadline_ns;
    request.completion = this;
    request.context = &thing;
    const Admission admission = engine->submit(request);
    EXPECT_TRUE(admission.ok()) << admission.error().message;
    thing.id = admission.id;
    return thing;
  }
  void run() {
    while (engine->run_some()) {
    }
    engine->tick();
  }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& one : finished) {
      auto& thing = *static_cast<Thing*>(one.context);
      ++thing.told;
      thing.ok = !one.error;
      if (one.error) thing.code = one.error->code;
    }
  }
  bool all_gone() const {
    for (const auto& thing : things)
      if (!thing->watched.expired()) return false;
    return true;
  }

  std::function<void()> meanwhile = [] {};  // while each batch runs, before it reads
  std::function<bool(size_t rows)> fails = [](size_t) { return false; };
  ManualClock clock{kSecond};
  ModelOptions options;
  std::vector<std::unique_ptr<Thing>> things;
  std::unique_ptr<Engine> engine;
  int batches = 0;

 private:
  Status score(const backend::BatchInput& input, backend::BatchOutput& output) {
    ++batches;
    meanwhile();
    auto* answers = static_cast<double*>(output.data);
    for (size_t r = 0; r < input.rows.count; ++r) answers[r] = input.rows.at(r, 0);
    for (const backend::Item& item : input.items) {
      const bool there = std::any_of(things.begin(), things.end(), [&](const auto& thing) {
        return thing->watched.lock().get() == item.parcel;
      });
      if (!there) ADD_FAILURE() << "a parcel is gone";
      *answers++ = static_cast<const Numbered*>(item.parcel)->number;
    }
    if (fails(input.items.size())) return Error{Code::kInternal, "fails"};
    return {};
  }
  bool idempotent_ = false;
};

TEST(EngineOwnership, CancelledWhileItsBatchRuns) {
  World world;
  auto& first = world.ask();
  const auto& second = world.ask();
  world.meanwhile = [&] { EXPECT_TRUE(world.engine->cancel(first.id)); };
  world.run();
  EXPECT_EQ(first.code, Code::kCancelled);
  EXPECT_TRUE(second.ok);
  EXPECT_EQ(world.batches, 1);
  EXPECT_TRUE(world.all_gone());
}

TEST(EngineOwnership, ExpiredWhileItsBatchRuns) {
  World world;
  const auto& first = world.ask(1, world.clock.now_ns() + kMillisecond);
  const auto& second = world.ask();
  world.meanwhile = [&] {
    world.clock.advance(2 * kMillisecond);
    world.engine->tick();
    EXPECT_EQ(first.told, 1);
  };
  world.run();
  EXPECT_EQ(first.code, Code::kExpired);
  EXPECT_TRUE(second.ok);
  EXPECT_TRUE(world.all_gone());
}

TEST(EngineOwnership, ReplacedUnloadedAndStoppedWhileABatchRuns) {
  for (int what = 0; what < 3; ++what) {
    World world;
    const auto& first = world.ask();
    const auto& second = world.ask();
    world.meanwhile = [&] {
      if (world.batches > 1) return;
      if (what == 0) world.load();
      if (what == 1) {
        EXPECT_TRUE(world.engine->unload("m").ok());
      }
      if (what == 2) world.engine->stop(0);
    };
    world.run();
    for (const auto* thing : {&first, &second}) {
      EXPECT_EQ(thing->told, 1) << what;
      EXPECT_EQ(thing->ok, what != 2) << what;
    }
    EXPECT_TRUE(world.all_gone()) << what;
  }
}

// The rows of the first are scored for both, whoever of them waits for the answer.
TEST(EngineOwnership, OneThatOthersFollowIsCancelled) {
  World world(true);
  auto& first = world.ask();
  const auto& second = world.ask(1, kNever, 0);
  world.meanwhile = [&] { EXPECT_TRUE(world.engine->cancel(first.id)); };
  world.run();
  EXPECT_TRUE(second.ok);
  EXPECT_EQ(world.batches, 1);
  EXPECT_TRUE(world.all_gone());
}

TEST(EngineOwnership, CancelledBetweenHalvesAndWithinThem) {
  World world(true);
  for (int i = 0; i < 4; ++i) world.ask();
  world.fails = [](size_t rows) { return rows > 1; };
  size_t next = 0;
  world.meanwhile = [&] {
    if (world.batches == 2 || world.batches == 3) {
      EXPECT_TRUE(world.engine->cancel(world.things[next++]->id));
    }
  };
  world.run();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(world.things[i]->told, 1) << i;
    EXPECT_EQ(world.things[i]->ok, i >= next) << i;
  }
  EXPECT_EQ(next, 2u);
  EXPECT_TRUE(world.all_gone());
}

// Of a request that is cut, pieces run in several batches.
TEST(EngineOwnership, CancelledBetweenItsPieces) {
  World world(false, 4);
  auto& thing = world.ask(10);
  world.meanwhile = [&] {
    if (world.batches == 2) {
      EXPECT_TRUE(world.engine->cancel(thing.id));
    }
  };
  world.run();
  EXPECT_EQ(thing.code, Code::kCancelled);
  EXPECT_EQ(world.batches, 2);
  EXPECT_TRUE(world.all_gone());
}

// Nobody comes by a queue in which nothing is left to run.
TEST(EngineOwnership, CancelledInTheQueueIsLetGoOfAtOnce) {
  World world;
  for (int i = 0; i < 5; ++i) world.ask();
  for (const auto& thing : world.things) EXPECT_TRUE(world.engine->cancel(thing->id));
  EXPECT_TRUE(world.all_gone());
  EXPECT_EQ(world.batches, 0);
}

TEST(EngineOwnership, WhatIsRefusedIsNotKept) {
  World world;
  Request request;
  request.model = "another";
  request.parcel = std::make_shared<Numbered>(0);
  request.completion = &world;
  const std::weak_ptr<const Parcel> watched = request.parcel;
  EXPECT_FALSE(world.engine->submit(request).ok());
  request.parcel.reset();
  EXPECT_TRUE(watched.expired());
}

// What is let go of may be anything, even something that asks the engine.
TEST(EngineOwnership, LetGoOfWithoutALock) {
  World world;
  int gone = 0;
  RequestId id;
  Request request;
  request.model = "m";
  request.completion = &world;
  World::Thing thing;
  request.context = &thing;
  request.parcel = std::shared_ptr<const Parcel>(new Numbered(0), [&](const Parcel* parcel) {
    ++gone;
    delete parcel;
    EXPECT_FALSE(world.engine->cancel(id));
    EXPECT_EQ(world.engine->models().size(), 1u);
    EXPECT_TRUE(world.engine
                    ->load("n", "",
                           backend::make_callable([](const backend::BatchInput&,
                                                     backend::BatchOutput&) { return Status{}; },
                                                  {}),
                           {})
                    .ok());
  });
  world.things.push_back(std::make_unique<World::Thing>());
  world.things[0]->watched = request.parcel;
  id = world.engine->submit(request).id;
  request.parcel.reset();
  EXPECT_EQ(gone, 0);
  world.run();
  EXPECT_EQ(gone, 1);
  EXPECT_TRUE(thing.ok);
}

// So may what a back end made for a batch.
TEST(EngineOwnership, WhatABatchMadeIsLetGoOfWithoutALock) {
  EngineOptions engine_options;
  engine_options.threads = false;
  auto engine = Engine::make(engine_options).value();
  int gone = 0;
  auto backend = backend::make_callable(
      [&](const backend::BatchInput&, backend::BatchOutput& output) {
        output.object = std::shared_ptr<void>(nullptr, [&](void*) {
          ++gone;
          EXPECT_EQ(engine->models().size(), 1u);  // which looks at each lane
        });
        return Status{};
      },
      {});
  ASSERT_TRUE(engine->load("m", "", std::move(backend), {}).ok());
  struct : Completion {
    void finish(std::span<Finished> finished) noexcept override {
      told += static_cast<int>(finished.size());
    }
    int told = 0;
  } completion;
  const double row = 0;
  Request request;
  request.rows = dense_rows(&row, 1, 1);
  request.completion = &completion;
  for (int i = 0; i < 3; ++i) {
    const Admission admission = engine->submit(request);
    ASSERT_TRUE(admission.ok());
    while (engine->run_some()) {
    }
  }
  EXPECT_EQ(completion.told, 3);
  EXPECT_EQ(gone, 3);
}

}  // namespace
}  // namespace spinney::engine
