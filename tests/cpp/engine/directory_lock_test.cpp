// A writer gets in under a constant stream of readers, and keeps them out while it writes.
#include "spinney/engine/directory_lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

namespace spinney::engine {
namespace {

// Two readers that hand over to one another, so that one always reads, until the writer is through.
// A reader that the other keeps out gives way after a while, as the writer waits for it.
template <typename Lock>
bool writer_gets_in(int hand_overs) {
  Lock lock;
  std::atomic<int> holder{-1};
  std::atomic<bool> asked{false}, through{false};
  std::atomic<int> left{hand_overs};
  const auto read = [&](int me) {
    while (!through && left > 0) {
      lock.lock_shared();
      holder = me;
      for (int i = 0; holder == me && !through && left > 0 && i < (asked ? 2000 : 1 << 30); ++i)
        std::this_thread::yield();
      if (asked) --left;
      lock.unlock_shared();
    }
  };
  std::thread first(read, 0), second(read, 1);
  while (holder < 0) std::this_thread::yield();
  bool in_time = false;
  std::thread writer([&] {
    asked = true;
    lock.lock();
    in_time = left > 0;
    through = true;
    lock.unlock();
  });
  for (std::thread* thread : {&first, &second, &writer}) thread->join();
  return in_time;
}

TEST(DirectoryLock, AWriterGetsInUnderAConstantStreamOfReaders) {
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(writer_gets_in<DirectoryLock>(2000));
}

TEST(DirectoryLock, ReadersNeverSeeHalfAWrite) {
  DirectoryLock lock;
  constexpr int kWrites = 300;
  int a = 0, b = 0;
  std::atomic<bool> done{false};
  std::atomic<int> torn{0}, reads{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!done) {
        const std::shared_lock reading(lock);
        torn += a != b;
        ++reads;
      }
    });
  std::vector<std::thread> writers;
  for (int t = 0; t < 2; ++t)
    writers.emplace_back([&] {
      for (int i = 0; i < kWrites; ++i) {
        const std::unique_lock writing(lock);
        ++a;
        std::this_thread::yield();
        ++b;
      }
    });
  for (auto& writer : writers) writer.join();
  done = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(a, 2 * kWrites);
  EXPECT_EQ(b, 2 * kWrites);
  EXPECT_GT(reads, 0);
}

}  // namespace
}  // namespace spinney::engine
