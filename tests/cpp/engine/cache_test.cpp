// The engine's cache of answers steps aside where a lookup costs more than the model, by an
// injected clock that every reading moves.
#include <gtest/gtest.h>

#include "spinney/engine/engine.h"

namespace spinney::engine {
namespace {

// Whatever happens between two readings takes `reading_ns`.
struct TickingClock : Clock {
  int64_t now_ns() const override { return now += reading_ns; }
  mutable int64_t now = kSecond;
  int64_t reading_ns = 0;
};

struct World : Completion {
  World(int64_t lookup_ns, int64_t row_ns) {
    clock.reading_ns = lookup_ns;
    EngineOptions engine_options;
    engine_options.threads = false;
    engine_options.clock = &clock;
    engine_options.cache_entries = 10'000;
    engine_options.cache_ttl_ns = kNever;
    engine = Engine::make(engine_options).value();
    backend::CallableOptions callable;
    callable.width = 1;
    callable.shape = {1, ElementType::kFloat64};
    callable.idempotent = true;
    ModelOptions options;
    options.warm_up = false;
    options.shed_target_ns = 0;
    const auto score = [=, this](const backend::BatchInput& in, backend::BatchOutput& out) {
      clock.now += row_ns * static_cast<int64_t>(in.rows.count);
      for (size_t r = 0; r < in.rows.count; ++r)
        static_cast<double*>(out.data)[r] = 2 * in.rows.at(r, 0);
      return Status();
    };
    EXPECT_TRUE(engine->load("m", "", backend::make_callable(score, callable), options).ok());
  }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& f : finished) {
      right += !f.error && *static_cast<const double*>(f.answer.data) == 2 * asked;
      hits += f.from_cache;
    }
  }
  void ask(double value) {
    asked = value;
    Request request;
    request.rows = dense_rows(&value, 1, 1);
    request.completion = this;
    ASSERT_TRUE(engine->submit(request).ok());
    engine->run_some();
  }
  ModelStatus status() { return engine->models()[0]; }

  TickingClock clock;
  std::unique_ptr<Engine> engine;
  double asked = 0;
  int right = 0, hits = 0;
};

TEST(EngineCache, StepsAsideWhereNothingRepeatsAndIsTriedAgain) {
  World world(100, 10'000);
  double next = 0;
  for (int i = 0; i < 1'001; ++i) world.ask(++next);
  EXPECT_TRUE(world.status().cache_resting);
  EXPECT_EQ(world.status().cache_rests, 1u);
  for (int i = 0; i < 1'000; ++i) world.ask(7);  // they repeat, but the cache rests
  EXPECT_EQ(world.hits, 0);
  while (world.status().cache_resting) world.ask(7);
  world.ask(3);  // was forgotten: not found
  EXPECT_EQ(world.hits, 0);
  for (int i = 0; i < 5'000; ++i) world.ask(7);
  EXPECT_EQ(world.hits, 5'000);
  EXPECT_EQ(world.status().cache_rests, 1u);
  EXPECT_EQ(static_cast<uint64_t>(world.right), world.status().requests.answered);
}

TEST(EngineCache, StepsAsideWhereTheModelIsCheaperThanALookup) {
  for (const int64_t row_ns : {0, 100'000}) {
    World world(1'000, row_ns);  // the batch itself takes a few readings as well
    for (int i = 0; i < 3'000; ++i) world.ask(i % 10 == 0 ? -1 : i);  // one in ten repeats
    EXPECT_EQ(world.status().cache_resting, row_ns == 0) << row_ns;
    EXPECT_EQ(world.right, 3'000);
  }
}

TEST(EngineCache, StaysWhereItPays) {
  World world(100, 10'000);
  for (int i = 0; i < 20'000; ++i) world.ask(i % 2 ? i : 0);
  EXPECT_EQ(world.status().cache_rests, 0u);
  EXPECT_EQ(world.hits, 9'999);
}

}  // namespace
}  // namespace spinney::engine
