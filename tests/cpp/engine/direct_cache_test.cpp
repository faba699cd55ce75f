// The queue and those who answer on their own thread keep answers in one cache.
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

TEST(EngineDirect, TheQueueAndVisitsFindEachOthersAnswers) {
  EngineOptions engine_options;
  engine_options.cache_entries = 10;
  World world(std::make_shared<Doubling>(), {}, engine_options);
  const double queued = 3;
  ASSERT_TRUE(world.engine->submit(world.request(queued)).ok());
  EXPECT_TRUE(world.engine->run_some());
  ASSERT_TRUE(world.run(3).ok());
  EXPECT_TRUE(world.told.from_cache);
  EXPECT_EQ(world.told.value, 6);
  ASSERT_TRUE(world.run(5).ok());
  EXPECT_FALSE(world.told.from_cache);
  const double other = 5;
  ASSERT_TRUE(world.engine->submit(world.request(other)).ok());
  EXPECT_TRUE(world.told.from_cache);
  EXPECT_EQ(world.told.value, 10);
  EXPECT_EQ(world.backend->calls, 2);
  EXPECT_EQ(world.counts().from_cache, 2u);
  EXPECT_EQ(world.engine->stats().cache->entries, 2u);
}

TEST(EngineDirect, WhatMayNotRunTwiceIsNeitherKeptNorShared) {
  auto once = std::make_shared<Doubling>();
  once->idempotent_ = false;
  EngineOptions engine_options;
  engine_options.cache_entries = 10;
  World world(once, {}, engine_options);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(world.run(3).ok());
  EXPECT_EQ(once->calls, 3);
  EXPECT_EQ(world.engine->stats().cache->entries, 0u);
}

TEST(EngineDirect, AReloadTakesItsAnswersAlong) {
  EngineOptions engine_options;
  engine_options.cache_entries = 10;
  World world(std::make_shared<Doubling>(), {}, engine_options);
  ModelOptions options;
  options.warm_up = false;
  ASSERT_TRUE(world.engine->load("other", "", world.backend, options).ok());
  ASSERT_TRUE(world.run(3).ok());
  const double value = 3;
  Request other = world.request(value);
  other.model = "other";
  ASSERT_TRUE(world.engine->run_or_submit(other).ok());
  EXPECT_FALSE(world.told.from_cache);  // of another model
  EXPECT_EQ(world.engine->stats().cache->entries, 2u);
  ASSERT_TRUE(world.engine->load("m", "", world.backend, options).ok());
  EXPECT_EQ(world.engine->stats().cache->entries, 1u);
  ASSERT_TRUE(world.run(3).ok());
  EXPECT_FALSE(world.told.from_cache);
}

TEST(EngineDirect, TheCacheHasABoundInBytes) {
  EngineOptions engine_options;
  engine_options.cache_entries = 1000;
  engine_options.cache_bytes = 1000;
  World world(std::make_shared<Doubling>(), {}, engine_options);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(world.run(i).ok());
  const auto stats = world.engine->stats().cache;
  EXPECT_LE(stats->bytes, 1000u);
  EXPECT_GT(stats->entries, 1u);
  EXPECT_GT(stats->evictions, 80u);
}

TEST(EngineDirect, AKeyOfTheCallersOwnDecides) {
  EngineOptions engine_options;
  engine_options.cache_entries = 10;
  World world(std::make_shared<Doubling>(), {}, engine_options);
  const double value = 1;
  Request request = world.request(value);
  const char key[] = "any key";
  request.key = std::as_bytes(std::span(key));
  {
    Visit visit;
    ASSERT_TRUE(world.engine->enter(request, visit, Entry::kIfKept).ok());
    EXPECT_EQ(visit.turn(), Turn::kQueue);
  }
  EXPECT_EQ(world.counts().submitted, 0u);  // only looked
  const char answer[] = "of any length";
  world.engine->keep(request, std::as_bytes(std::span(answer)));
  Visit visit;
  ASSERT_TRUE(world.engine->enter(request, visit, Entry::kIfKept).ok());
  ASSERT_EQ(visit.turn(), Turn::kAnswered);
  ASSERT_EQ(visit.answer_bytes(), sizeof answer);
  EXPECT_STREQ(static_cast<const char*>(visit.answer()), answer);
}

TEST(EngineDirect, WhoFollowsHasLookedIntoTheCacheToo) {
  EngineOptions engine_options;
  engine_options.cache_entries = 10;
  World world(std::make_shared<Doubling>(1e6), {}, engine_options);
  const double value = 7, answer = 14;
  Visit leader, follower;
  ASSERT_TRUE(world.engine->enter(world.request(value), leader).ok());
  std::thread following([&] {
    EXPECT_TRUE(world.engine->enter(world.request(value), follower).ok());
    EXPECT_EQ(follower.turn(), Turn::kWait);
  });
  following.join();
  leader.done(&answer, sizeof answer);
  EXPECT_EQ(follower.wait(kSecond), Turn::kAnswered);
  EXPECT_EQ(world.engine->totals().runs.cache_misses, 2u);
  EXPECT_EQ(world.engine->stats().cache->misses, 2u);
}

// Rows between the same thresholds, say.
TEST(EngineDirect, RowsWithEqualKeysShareAnAnswer) {
  EngineOptions engine_options;
  engine_options.cache_entries = 10;
  ModelOptions options;
  options.row_keys.row_bytes = 1;
  options.row_keys.write = [](const Rows& rows, size_t r, uint8_t* to) {
    *to = static_cast<uint8_t>(rows.at(r, 0));
  };
  World world(std::make_shared<Doubling>(), options, engine_options);
  ASSERT_TRUE(world.run(3.25).ok());
  ASSERT_TRUE(world.run(3.5).ok());
  EXPECT_TRUE(world.told.from_cache);
  EXPECT_EQ(world.told.value, 6.5);
  const double queued = 3.75;
  ASSERT_TRUE(world.engine->submit(world.request(queued)).ok());
  EXPECT_TRUE(world.told.from_cache);
  ASSERT_TRUE(world.run(4).ok());
  EXPECT_FALSE(world.told.from_cache);
}

// Another thread may write into the caller's rows meanwhile, at the worst moment.
TEST(EngineDirect, AnAnswerIsOfTheRowsThatItsKeyWasMadeOf) {
  EngineOptions engine_options;
  engine_options.cache_entries = 10;
  double changing = 0;
  ModelOptions options;
  options.row_keys.row_bytes = 1;
  options.row_keys.write = [&](const Rows& rows, size_t r, uint8_t* to) {
    *to = static_cast<uint8_t>(rows.at(r, 0));
    changing = 100;
  };
  World world(std::make_shared<Doubling>(), options, engine_options);
  for (const bool queued : {false, true}) {
    changing = queued ? 3 : 5;
    const Request request = world.request(changing);
    ASSERT_TRUE(
        (queued ? world.engine->submit(request) : world.engine->run_or_submit(request)).ok());
    world.engine->run_some();
    EXPECT_EQ(world.told.value, queued ? 6 : 10);
  }
}

}  // namespace
}  // namespace spinney::engine
