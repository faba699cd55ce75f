// The pool's promises, read from raw memory where they are about raw memory.
#include "spinney/memory/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace spinney::memory {
namespace {

bool is_zero(const void* data, size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i)
    if (at[i] != 0) return false;
  return true;
}

// Memory that stays readable after the pool has let go of it.
constexpr size_t kArenaBytes = size_t{4} << 20;
alignas(64) unsigned char arena[kArenaBytes];
std::atomic<size_t> arena_used{0};
std::atomic<size_t> arena_allowed{kArenaBytes};
std::atomic<size_t> arena_freed{0};

void* allocate_from_arena(size_t bytes) {
  const size_t rounded = (bytes + 63) / 64 * 64;
  const size_t at = arena_used.fetch_add(rounded);
  return at + rounded <= arena_allowed ? arena + at : nullptr;
}
void leave_in_arena(void*, size_t bytes) { arena_freed += bytes; }

PoolOptions arena_options() {
  arena_used = 0;
  arena_freed = 0;
  arena_allowed = kArenaBytes;
  std::memset(arena, 0x5A, sizeof arena);
  PoolOptions options;
  options.allocate = &allocate_from_arena;
  options.deallocate = &leave_in_arena;
  return options;
}

TEST(Pool, HandsOutZeros) {
  Pool pool(arena_options());
  for (const size_t bytes : {1u, 64u, 255u, 256u, 257u, 1000u, 4096u, 100'000u}) {
    auto buffer = pool.acquire(bytes);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(buffer->size(), bytes);
    EXPECT_TRUE(is_zero(buffer->data(), bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
    std::memset(buffer->data(), 0xFF, bytes);
  }
}

TEST(Pool, RawMemoryIsZeroAsSoonAsItIsReleased) {
  Pool pool(arena_options());
  auto buffer = pool.acquire(5000);
  ASSERT_TRUE(buffer.ok());
  unsigned char* raw = buffer->as<unsigned char>();
  std::memset(raw, 0xAB, 5000);
  buffer->release();
  EXPECT_TRUE(is_zero(raw, 5000));  // idle on its shelf
  pool.trim();
  EXPECT_TRUE(is_zero(raw, 5000));  // given back to the system
}

TEST(Pool, MemoryThatIsNotKeptIsWipedToo) {
  PoolOptions options = arena_options();
  options.kept_bytes_max = 1024;
  Pool pool(options);
  auto buffer = pool.acquire(5000);
  ASSERT_TRUE(buffer.ok());
  unsigned char* raw = buffer->as<unsigned char>();
  std::memset(raw, 0xAB, 5000);
  buffer->release();
  EXPECT_GT(arena_freed, 5000u);
  EXPECT_TRUE(is_zero(raw, 5000));
  EXPECT_EQ(pool.stats().discarded, 1u);
}

TEST(Pool, WhatIsWrittenAfterReleaseIsGoneBeforeReuse) {
  Pool pool(arena_options());
  auto buffer = pool.acquire(3000);
  unsigned char* raw = buffer->as<unsigned char>();
  buffer->release();
  std::memset(raw, 0xCD, 3000);  // a pointer kept too long
  auto again = pool.acquire(3000);
  ASSERT_EQ(again->data(), raw);
  EXPECT_TRUE(is_zero(raw, 3000));
}

TEST(Pool, ClassesHoldWhatIsAskedAndWasteAQuarterAtMost) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 100'000; ++i) {
    const size_t bytes = (random() >> (random() % 50 + 14)) + 1;
    const size_t held = Pool::class_bytes(bytes);
    ASSERT_GE(held, bytes);
    ASSERT_LE(held, std::max<size_t>(256, bytes + bytes / 4 + 1)) << bytes;
    ASSERT_EQ(held % 64, 0u);
    ASSERT_EQ(Pool::class_bytes(held), held);
  }
}

TEST(Pool, ReusesAndCounts) {
  Pool pool;
  void* first = nullptr;
  for (int i = 0; i < 10; ++i) {
    auto buffer = pool.acquire(1000);
    if (i == 0) first = buffer->data();
    EXPECT_EQ(buffer->data(), first);
    EXPECT_EQ(pool.stats().in_use_buffers, 1u);
    EXPECT_EQ(pool.stats().in_use_bytes, Pool::class_bytes(1000));
  }
  const PoolStats stats = pool.stats();
  EXPECT_EQ(stats.acquired, 10u);
  EXPECT_EQ(stats.reused, 9u);
  EXPECT_EQ(stats.in_use_buffers, 0u);
  EXPECT_EQ(stats.in_use_bytes, 0u);
  EXPECT_EQ(stats.idle_buffers, 1u);
  EXPECT_EQ(stats.idle_bytes, Pool::class_bytes(1000));
}

TEST(Pool, BoundsWhatIsIdleAndWhatIsInUse) {
  PoolOptions options;
  options.idle_bytes_max = 10'240;
  options.in_use_bytes_max = 1 << 20;
  Pool pool(options);
  std::vector<Buffer> held;
  while (true) {
    auto buffer = pool.acquire(1024);
    if (!buffer.ok()) {
      EXPECT_EQ(buffer.error().code, Code::kTooLarge);
      EXPECT_NE(buffer.error().message.find("1048576"), std::string::npos);
      break;
    }
    held.push_back(std::move(*buffer));
  }
  EXPECT_EQ(held.size(), 1024u);
  held.clear();
  EXPECT_EQ(pool.stats().idle_bytes, 10'240u);
  EXPECT_EQ(pool.stats().idle_buffers, 10u);
  EXPECT_EQ(pool.stats().discarded, 1014u);
  EXPECT_EQ(pool.stats().in_use_bytes, 0u);
  EXPECT_FALSE(pool.acquire(SIZE_MAX).ok());
  EXPECT_FALSE(pool.acquire(SIZE_MAX / 2).ok());
  EXPECT_EQ(pool.stats().refused, 3u);
}

TEST(Pool, SizesNoLongerAskedForMakeRoom) {
  PoolOptions options;
  options.idle_bytes_max = 1 << 20;
  Pool pool(options);
  std::vector<Buffer> held;
  for (int i = 0; i < 16; ++i) held.push_back(pool.acquire(64 << 10).value());
  std::thread([&] { held.clear(); }).join();
  EXPECT_EQ(pool.stats().idle_bytes, 1u << 20);
  std::thread([&] {  // whose shelf is another one
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(pool.acquire(4096).ok());
  })
      .join();
  EXPECT_GE(pool.stats().reused, 980u);
  EXPECT_LE(pool.stats().discarded, 16u);
  EXPECT_LE(pool.stats().idle_bytes, 1u << 20);
}

TEST(Pool, TrimsTheLargestFirst) {
  Pool pool;
  {
    auto a = pool.acquire(1024);
    auto b = pool.acquire(8192);
    auto c = pool.acquire(65536);
  }
  EXPECT_EQ(pool.stats().idle_bytes, 1024u + 8192 + 65536);
  EXPECT_EQ(pool.trim(10'000), 65536u);
  EXPECT_EQ(pool.stats().idle_bytes, 1024u + 8192);
  EXPECT_EQ(pool.trim(), 1024u + 8192);
  EXPECT_EQ(pool.stats().idle_buffers, 0u);
}

TEST(Pool, OutOfMemoryIsAnErrorAfterWhatIsIdleWasTried) {
  Pool pool(arena_options());
  auto a = pool.acquire(1024);
  arena_allowed = arena_used.load();
  const auto refused = pool.acquire(2048);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("no memory"), std::string::npos);
  EXPECT_EQ(pool.stats().in_use_bytes, 1024u);
  a->release();
  ASSERT_FALSE(pool.acquire(2048).ok());
  EXPECT_EQ(pool.stats().idle_bytes, 0u);  // it was given back in the attempt
}

thread_local unsigned synthetic_node = 0;

TEST(Pool, MemoryStaysOnItsNode) {
  PoolOptions options;
  options.node = [] { return synthetic_node; };
  Pool pool(options);
  synthetic_node = 0;
  auto buffer = pool.acquire(4096);
  void* on_node_0 = buffer->data();
  synthetic_node = 1;
  buffer->release();  // by a thread that runs elsewhere by now
  auto other = pool.acquire(4096);
  EXPECT_NE(other->data(), on_node_0);
  synthetic_node = 0;
  auto again = pool.acquire(4096);
  EXPECT_EQ(again->data(), on_node_0);
}

TEST(Pool, BuffersMove) {
  Pool pool;
  auto made = pool.acquire(100);
  Buffer a = std::move(*made);
  void* data = a.data();
  Buffer b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT: a moved-from buffer is empty, by contract
  EXPECT_EQ(b.data(), data);
  auto second = pool.acquire(100);
  b = std::move(*second);
  EXPECT_EQ(pool.stats().in_use_buffers, 1u);
  b.release();
  b.release();
  EXPECT_EQ(pool.stats().in_use_buffers, 0u);
}

TEST(Pool, ThreadsNeverShareABuffer) {
  PoolOptions options;
  options.idle_bytes_max = 200'000;
  Pool pool(options);
  std::atomic<bool> wrong{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<Buffer> held;
      for (int i = 0; i < 3000; ++i) {
        auto buffer = pool.acquire(random() % 3000 + 1);
        if (!buffer.ok() || !is_zero(buffer->data(), buffer->size())) wrong = true;
        std::memset(buffer->data(), static_cast<int>(t + 1), buffer->size());
        held.push_back(std::move(*buffer));
        if (held.size() > 10) held.erase(held.begin() + random() % held.size());
        if (i % 500 == 0) pool.trim(50'000);
        for (Buffer& one : held)
          if (one.as<unsigned char>()[one.size() - 1] != t + 1) wrong = true;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(wrong);
  EXPECT_EQ(pool.stats().in_use_bytes, 0u);
  EXPECT_EQ(pool.stats().in_use_buffers, 0u);
  EXPECT_EQ(pool.stats().acquired, 24'000u);
  EXPECT_LE(pool.stats().idle_bytes, options.idle_bytes_max);
}

}  // namespace
}  // namespace spinney::memory
