// LRU with TTL against a plain model of it, forced collisions, and wiped memory.
#include "spinney/cache/lru_ttl.h"

#include <gtest/gtest.h>

#include <list>
#include <optional>
#include <random>
#include <string>
#include <thread>

namespace spinney::cache {
namespace {

Bytes bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::optional<std::string> get(LruTtl& cache, const std::string& key) {
  std::vector<std::byte> value;
  if (!cache.get(bytes(key), value)) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(value.data()), value.size());
}

void set(LruTtl& cache, const std::string& key, const std::string& value) {
  cache.set(bytes(key), bytes(value));
}

struct Fixture {
  explicit Fixture(size_t entries, int64_t ttl = 100) {
    options.entries_max = entries;
    options.ttl_ns = ttl;
    options.cleanup_interval_ns = 1000;
    options.clock = &clock;
  }
  ManualClock clock;
  LruTtlOptions options;
};

TEST(LruTtl, TheLeastRecentlyUsedLeaves) {
  Fixture f(3);
  LruTtl cache(f.options);
  set(cache, "a", "1");
  set(cache, "b", "2");
  set(cache, "c", "3");
  EXPECT_EQ(get(cache, "a"), "1");
  set(cache, "d", "4");
  EXPECT_EQ(get(cache, "b"), std::nullopt);
  EXPECT_EQ(get(cache, "a"), "1");
  EXPECT_EQ(get(cache, "d"), "4");
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.stats().evictions, 1u);
  EXPECT_EQ(cache.stats().hits, 3u);
  EXPECT_EQ(cache.stats().misses, 1u);
}

TEST(LruTtl, EntriesExpireAndExpiredOnesGoFirst) {
  Fixture f(3);
  LruTtl cache(f.options);
  set(cache, "a", "1");
  f.clock.advance(60);
  set(cache, "b", "2");
  f.clock.advance(39);
  EXPECT_EQ(get(cache, "a"), "1");
  f.clock.advance(1);
  EXPECT_EQ(get(cache, "a"), std::nullopt);
  EXPECT_EQ(get(cache, "b"), "2");
  EXPECT_EQ(cache.stats().expirations, 1u);
  set(cache, "b", "3");  // lives again from now on
  f.clock.advance(99);
  EXPECT_EQ(get(cache, "b"), "3");
  f.clock.advance(1);
  EXPECT_FALSE(cache.invalidate(bytes("b")));
}

TEST(LruTtl, CleanupIsHonouredWithoutLookupsOfTheExpired) {
  Fixture f(10, 100);
  LruTtl cache(f.options);
  set(cache, "a", "1");
  f.clock.advance(999);
  get(cache, "other");
  EXPECT_EQ(cache.size(), 1u);
  f.clock.advance(1);
  get(cache, "other");
  EXPECT_EQ(cache.size(), 0u);
  set(cache, "a", "1");
  f.clock.advance(100);
  EXPECT_EQ(cache.cleanup(), 1u);
}

TEST(LruTtl, EqualHashesAreNoEqualKeys) {
  Fixture f(100);
  f.options.hash = [](Bytes, uint64_t) { return uint64_t{42}; };
  LruTtl cache(f.options);
  for (int i = 0; i < 100; ++i) set(cache, "key" + std::to_string(i), std::to_string(i));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(get(cache, "key" + std::to_string(i)), std::to_string(i));
  EXPECT_EQ(get(cache, "key"), std::nullopt);
  EXPECT_EQ(get(cache, ""), std::nullopt);
  EXPECT_TRUE(cache.invalidate(bytes("key50")));
  EXPECT_EQ(get(cache, "key50"), std::nullopt);
  EXPECT_EQ(get(cache, "key51"), "51");
}

TEST(LruTtl, ValuesOfAKnownSizeGoStraightToTheCaller) {
  Fixture f(4);
  LruTtl cache(f.options);
  set(cache, "a", "1234");
  char out[4] = {};
  EXPECT_TRUE(cache.get(bytes("a"), std::as_writable_bytes(std::span(out))));
  EXPECT_EQ(std::string(out, 4), "1234");
  EXPECT_FALSE(cache.get(bytes("a"), std::as_writable_bytes(std::span(out, 3))));
  set(cache, "", "");
  EXPECT_EQ(get(cache, ""), "");
}

TEST(LruTtl, BytesAreBoundedAndShrink) {
  Fixture f(1000);
  f.options.bytes_max = 10'000;
  LruTtl cache(f.options);
  for (int i = 0; i < 50; ++i) set(cache, std::to_string(i), std::string(1000, 'x'));
  EXPECT_LE(cache.stats().bytes, 10'000u);
  EXPECT_GE(cache.size(), 8u);
  set(cache, "huge", std::string(20'000, 'x'));
  EXPECT_EQ(get(cache, "huge"), std::nullopt);
  set(cache, "49", std::string(20'000, 'x'));  // too large, but the old value is wrong by now
  EXPECT_EQ(get(cache, "49"), std::nullopt);
  EXPECT_GT(cache.shrink(3000), 0u);
  EXPECT_LE(cache.stats().bytes, 3000u);
  cache.clear();
  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(LruTtl, BehavesAsAPlainModelDoes) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    const size_t most = random() % 20 + 1;
    Fixture f(most, 500);
    f.options.shards = 1;
    if (seed % 3 == 0) f.options.hash = [](Bytes key, uint64_t) { return key.size() % 2; };
    LruTtl cache(f.options);
    struct Kept {
      std::string key, value;
      int64_t expires;
    };
    std::list<Kept> model;  // the one used last in front
    for (int step = 0; step < 3000; ++step) {
      f.clock.advance(random() % 20);
      const int64_t now = f.clock.now_ns();
      const std::string key(random() % 30, 'k');
      const auto at = std::find_if(model.begin(), model.end(),
                                   [&](const Kept& kept) { return kept.key == key; });
      const bool fresh = at != model.end() && at->expires > now;
      switch (random() % 5) {
        case 0:
        case 1:
          ASSERT_EQ(get(cache, key), fresh ? std::optional(at->value) : std::nullopt);
          if (fresh) model.splice(model.begin(), model, at);
          break;
        case 2:
          ASSERT_EQ(cache.invalidate(bytes(key)), fresh);
          if (at != model.end()) model.erase(at);
          break;
        default:
          if (at != model.end()) model.erase(at);
          if (model.size() >= most)
            model.remove_if([&](const Kept& kept) { return kept.expires <= now; });
          if (model.size() >= most) model.pop_back();
          model.push_front({key, std::to_string(step), now + 500});
          set(cache, key, std::to_string(step));
      }
      ASSERT_LE(cache.size(), most);
    }
  }
}

TEST(LruTtl, OptionsAreChecked) {
  LruTtlOptions options;
  EXPECT_TRUE(LruTtl::check(options).ok());
  options.shards = 3;
  EXPECT_NE(LruTtl::check(options).error().message.find("power of two"), std::string::npos);
  options.shards = 8;
  options.entries_max = 4;
  EXPECT_FALSE(LruTtl::check(options).ok());
  options = {};
  options.entries_max = 0;
  EXPECT_FALSE(LruTtl::check(options).ok());
  options = {};
  options.ttl_ns = 0;
  EXPECT_FALSE(LruTtl::check(options).ok());
  options = {};
  options.ttl_ns = kNever;
  ManualClock late(kNever - 5);
  options.clock = &late;
  LruTtl cache(options);
  set(cache, "a", "1");
  EXPECT_EQ(get(cache, "a"), "1");
}

TEST(LruTtl, ThreadsSeeOnlyTheirKeysValues) {
  LruTtlOptions options;
  options.entries_max = 2000;
  options.shards = 4;
  LruTtl cache(options);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 4000; ++i) {
        const std::string key = "key" + std::to_string(random() % 3000);
        const auto found = get(cache, key);
        EXPECT_EQ(found.value_or(key + "!"), key + "!");
        set(cache, key, key + "!");
        if (i % 100 == 0) cache.invalidate(bytes(key));
        if (i % 1000 == 0) cache.shrink(100'000);
        if (i % 1500 == 0) cache.clear();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LE(cache.size(), 2000u);
}

}  // namespace
}  // namespace spinney::cache
