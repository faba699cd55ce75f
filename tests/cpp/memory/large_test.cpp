// Memory for large results: zero once it came back, found again, bounded, safe from many threads.
#include "spinney/memory/large.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace spinney::memory {
namespace {

constexpr size_t kGranule = LargeBuffers::kGranule;

bool is_zero(const void* data, size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i)
    if (at[i] != 0) return false;
  return true;
}

TEST(LargeBuffers, GivesTheSameMemoryAgainWiped) {
  LargeBuffers buffers(4 * kGranule);
  const size_t bytes = kGranule + 17;
  void* first = buffers.acquire(bytes);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % kGranule, 0u);
  std::memset(first, 7, bytes);
  buffers.give_back(first, bytes);
  EXPECT_EQ(buffers.idle_bytes(), 2 * kGranule);
  EXPECT_TRUE(is_zero(first, bytes));  // idle, and so still ours
  void* other_size = buffers.acquire(5);
  EXPECT_NE(other_size, first);
  void* again = buffers.acquire(2 * kGranule);
  EXPECT_EQ(again, first);
  EXPECT_TRUE(is_zero(again, bytes));
  EXPECT_EQ(buffers.idle_bytes(), 0u);
  buffers.give_back(again, 2 * kGranule);
  buffers.give_back(other_size, 5);
}

TEST(LargeBuffers, IsBoundedAndGivesUpTheOldest) {
  LargeBuffers buffers(4 * kGranule);
  void* a = buffers.acquire(kGranule);
  void* b = buffers.acquire(2 * kGranule);
  void* c = buffers.acquire(2 * kGranule);
  buffers.give_back(a, kGranule);
  buffers.give_back(b, 2 * kGranule);
  buffers.give_back(c, 2 * kGranule);  // a must go
  EXPECT_EQ(buffers.idle_bytes(), 4 * kGranule);
  void* larger = buffers.acquire(5 * kGranule);
  buffers.give_back(larger, 5 * kGranule);  // more than may ever be idle
  EXPECT_EQ(buffers.idle_bytes(), 4 * kGranule);
  EXPECT_EQ(buffers.trim(2 * kGranule), 2 * kGranule);
  EXPECT_EQ(buffers.acquire(2 * kGranule), c);
  buffers.give_back(c, 2 * kGranule);
  EXPECT_EQ(buffers.trim(), 2 * kGranule);
  EXPECT_EQ(buffers.idle_bytes(), 0u);
}

TEST(LargeBuffers, KeepsNoMoreBlocksThanItHasPlacesFor) {
  LargeBuffers buffers(64 * kGranule);
  std::vector<void*> all;
  for (int i = 0; i < 20; ++i) all.push_back(buffers.acquire(1));
  for (void* data : all) buffers.give_back(data, 1);
  EXPECT_EQ(buffers.idle_bytes(), 16 * kGranule);
}

TEST(LargeBuffers, RefusesWhatNoMemoryHolds) {
  LargeBuffers buffers(kGranule);
  EXPECT_EQ(buffers.acquire(SIZE_MAX), nullptr);
}

TEST(LargeBuffers, ServesManyThreads) {
  LargeBuffers buffers(2 * kGranule);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned char t = 1; t <= 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        const size_t bytes = (static_cast<size_t>(i) % 3 + 1) * kGranule;
        auto* data = static_cast<unsigned char*>(buffers.acquire(bytes));
        for (size_t k = 0; k < bytes; k += 4096) data[k] = t;
        for (size_t k = 0; k < bytes; k += 4096) wrong += data[k] != t;
        buffers.give_back(data, bytes);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_LE(buffers.idle_bytes(), 2 * kGranule);
  buffers.trim();
}

}  // namespace
}  // namespace spinney::memory
