// Batches that are completed by threads of a back end's own, while everything else goes on.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "engine/later_backend.h"

namespace spinney::engine {
namespace {

// A few threads that complete whatever they find, in any order.
class Pool {
 public:
  explicit Pool(std::shared_ptr<Begun> begun) : begun_(std::move(begun)) {
    begun_->begin = [this](Begun::One one) {
      const std::lock_guard lock(mutex_);
      begun_->batches.push_back(std::move(one));
      more_.notify_one();
    };
    for (unsigned i = 0; i < 3; ++i) threads_.emplace_back([this, i] { work(i); });
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      more_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }

  std::atomic<bool> fails{false};

 private:
  void work(unsigned seed) {
    std::mt19937 random(seed);
    std::unique_lock lock(mutex_);
    for (;;) {
      more_.wait(lock, [this] { return ended_ || !begun_->batches.empty(); });
      if (begun_->batches.empty()) return;
      Begun::One one = begun_->take(random() % begun_->batches.size());
      lock.unlock();
      if (random() % 8 == 0) std::this_thread::yield();
      if (fails && random() % 16 == 0)
        one.complete(Error{Code::kInternal, "now and then"});
      else if (!one.input->cancelled())
        one.complete();
      lock.lock();
    }
  }
  std::shared_ptr<Begun> begun_;
  std::mutex mutex_;
  std::condition_variable more_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

class Counting : public Completion {
 public:
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& one : finished) {
      const auto number = static_cast<double>(reinterpret_cast<intptr_t>(one.context));
      if (!one.error && *static_cast<const double*>(one.answer.data) != 2 * number) ++wrong;
      ++told;
    }
  }
  std::atomic<uint64_t> told{0}, wrong{0};
};

TEST(Completing, OnManyThreadsWhileRequestsAreCancelledAndModelsReplaced) {
  auto begun = std::make_shared<Begun>();
  Counting counting;
  uint64_t admitted = 0;
  {
    Pool pool(begun);
    EngineOptions engine_options;
    engine_options.num_workers = 2;
    auto engine = Engine::make(engine_options).value();
    ModelOptions options;
    options.max_batch_size = 4;
    const auto load = [&](size_t concurrency) {
      return engine->load("m", "", std::make_shared<Later>(begun, concurrency, true), options);
    };
    ASSERT_TRUE(load(3).ok());  // after a warm-up on the pool's threads
    options.warm_up = false;
    pool.fails = true;
    std::mt19937 random(1);
    for (intptr_t i = 0; i < 20'000; ++i) {
      const auto number = static_cast<double>(i % 50);
      Request request;
      request.rows = dense_rows(&number, 1, 1);
      request.completion = &counting;
      request.context = reinterpret_cast<void*>(i % 50);
      if (random() % 4 == 0) request.deadline_ns = engine->now_ns() + kMillisecond;
      const Admission admission = engine->submit(request);
      admitted += admission.ok();
      if (admission.ok() && random() % 5 == 0) engine->cancel(admission.id);
      if (i % 2'000 == 1'999) {
        ASSERT_TRUE(load(random() % 3).ok());
      }
    }
    engine->drain(20 * kSecond);
    EXPECT_EQ(counting.told, admitted);
    EXPECT_EQ(engine->stats().in_flight, 0u);
    engine->stop(kSecond);
  }
  EXPECT_EQ(counting.wrong, 0u);
}

TEST(Completing, WhatNeverCompletesDoesNotHoldUpAStop) {
  auto begun = std::make_shared<Begun>();
  Counting counting;
  auto engine = Engine::make({}).value();
  ASSERT_TRUE(engine->load("m", "", std::make_shared<Later>(begun), {}).ok());
  std::mutex mutex;
  begun->begin = [&](Begun::One one) {
    const std::lock_guard lock(mutex);
    begun->batches.push_back(std::move(one));
  };
  const double number = 1;
  Request request;
  request.rows = dense_rows(&number, 1, 1);
  request.completion = &counting;
  request.context = reinterpret_cast<void*>(intptr_t{1});
  ASSERT_TRUE(engine->submit(request).ok());
  while ([&] {
    const std::lock_guard lock(mutex);
    return begun->batches.empty();
  }())
    std::this_thread::yield();
  EXPECT_FALSE(engine->drain(kMillisecond));
  engine->stop(kMillisecond);  // returns, and the request has been answered
  EXPECT_EQ(counting.told, 1u);
  engine.reset();
  EXPECT_TRUE(begun->batches[0].input->cancelled());
  begun->take().complete();
  EXPECT_EQ(counting.told, 1u);
}

}  // namespace
}  // namespace spinney::engine
