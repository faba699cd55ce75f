// Single flight: one leader a key, nobody forgotten, whole keys compared.
#include "spinney/cache/single_flight.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

namespace spinney::cache {
namespace {

Bytes bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST(SingleFlight, TheFirstLeadsAndAllAreAnswered) {
  SingleFlight<int> flights;
  const auto a = flights.join(bytes("x"), 1);
  const auto b = flights.join(bytes("x"), 2);
  const auto c = flights.join(bytes("y"), 3);
  EXPECT_TRUE(a.led);
  EXPECT_FALSE(b.led);
  EXPECT_EQ(a.flight, b.flight);
  EXPECT_TRUE(c.led);
  EXPECT_EQ(flights.size(), 2u);
  EXPECT_EQ(flights.finish(a.flight), (std::vector<int>{1, 2}));
  EXPECT_TRUE(flights.join(bytes("x"), 4).led);
}

TEST(SingleFlight, ALeaderLeavesWithoutHarm) {
  SingleFlight<int> flights;
  const auto a = flights.join(bytes("x"), 1);
  flights.join(bytes("x"), 2);
  EXPECT_EQ(flights.leave(a.flight, 1), 1u);
  EXPECT_FALSE(flights.join(bytes("x"), 3).led);
  EXPECT_EQ(flights.finish(a.flight), (std::vector<int>{2, 3}));
  const auto d = flights.join(bytes("x"), 4);
  EXPECT_EQ(flights.leave(d.flight, 4), 0u);
  EXPECT_EQ(flights.size(), 0u);
}

TEST(SingleFlight, EqualHashesAreNoEqualKeys) {
  SingleFlight<int> flights([](Bytes, uint64_t) { return uint64_t{7}; });
  const auto a = flights.join(bytes("x"), 1);
  const auto b = flights.join(bytes("y"), 2);
  EXPECT_TRUE(b.led);
  EXPECT_EQ(flights.finish(a.flight), std::vector<int>{1});
  EXPECT_EQ(flights.finish(b.flight), std::vector<int>{2});
}

TEST(SingleFlight, ThreadsAreEachAnsweredOnce) {
  SingleFlight<int> flights;
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 3000; ++i) {
        const std::string key(static_cast<size_t>(i % 4), 'k');
        const auto joined = flights.join(bytes(key), t);
        if (joined.led) answered += static_cast<int>(flights.finish(joined.flight).size());
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(answered, 18'000);
  EXPECT_EQ(flights.size(), 0u);
}

}  // namespace
}  // namespace spinney::cache
