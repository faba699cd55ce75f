// Back ends that wait for others have threads of their own: models that compute never wait for
// them, and the threads come and go with their models.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "spinney/engine/engine.h"

namespace spinney::engine {
namespace {

constexpr auto kLong = std::chrono::seconds(60);  // for what happens at once on an idle machine

// Holds up whoever comes until it is opened, and counts them.
class Door {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    --inside_;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait_for(int inside) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLong, [&] { return inside_ >= inside; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int inside_ = 0;
};

struct Counting : Completion {
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& f : finished) {
      const bool right = !f.error && *static_cast<const double*>(f.answer.data) == 14;
      (right ? answered : failed).fetch_add(1);
    }
  }
  bool wait_for(int answers) const {
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (answered < answers && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    return answered == answers;
  }
  std::atomic<int> answered{0}, failed{0};
};

backend::CallableOptions one_number() {
  backend::CallableOptions options;
  options.width = 1;
  options.shape = {1, ElementType::kFloat64};
  return options;
}

Status twice(const backend::BatchInput& input, backend::BatchOutput& output) {
  for (size_t r = 0; r < input.rows.count; ++r)
    static_cast<double*>(output.data)[r] = 2 * input.rows.at(r, 0);
  return {};
}

std::shared_ptr<const backend::Backend> computes() {
  return backend::make_callable(twice, one_number());
}

std::shared_ptr<const backend::Backend> waits(std::shared_ptr<Door> door = {},
                                              size_t concurrency = 1) {
  backend::CallableOptions options = one_number();
  options.waits = true;
  options.concurrency = concurrency;
  return backend::make_callable(
      [door](const backend::BatchInput& input, backend::BatchOutput& output) {
        if (door) door->pass();
        return twice(input, output);
      },
      options);
}

void ask(Engine& engine, const char* model, Completion& completion, size_t count = 1) {
  const float row = 7;
  for (size_t i = 0; i < count; ++i) {
    Request request;
    request.model = model;
    request.rows = dense_rows(&row, 1, 1);
    request.completion = &completion;
    ASSERT_TRUE(engine.submit(request).ok());
  }
}

// What waits here waits for the test, however long the machine takes.
ModelOptions never_shed() {
  ModelOptions options;
  options.shed_target_ns = 0;
  return options;
}

std::unique_ptr<Engine> engine_of(size_t workers) {
  EngineOptions options;
  options.num_workers = workers;
  return Engine::make(options).value();
}

size_t threads_of_this_process() {
#if defined(__SANITIZE_THREAD__)
  // With the first thread, the sanitizer starts one of its own.
  static const bool started = (std::thread([] {}).join(), true);
  (void)started;
#endif
  size_t count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

// The kernel takes a moment to forget a thread that was joined.
bool threads_fall_to(size_t count) {
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (threads_of_this_process() > count) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

TEST(EngineWaiting, ModelsThatComputeAreAnsweredWhileOthersWait) {
  const auto door = std::make_shared<Door>();
  Counting slow, quick;
  auto engine = engine_of(1);
  ASSERT_TRUE(engine->load("a", "", waits(door), never_shed()).ok());
  ASSERT_TRUE(engine->load("b", "", waits(door), never_shed()).ok());
  ASSERT_TRUE(engine->load("n", "", computes()).ok());
  EXPECT_EQ(engine->stats().waiters, 2u);
  ask(*engine, "a", slow, 100);
  ask(*engine, "b", slow, 100);
  ASSERT_TRUE(door->wait_for(2));  // one does not wait for the other either
  for (int i = 1; i <= 50; ++i) {
    ask(*engine, "n", quick);
    ASSERT_TRUE(quick.wait_for(i));
  }
  EXPECT_EQ(slow.answered + slow.failed, 0);
  door->open();
  EXPECT_TRUE(slow.wait_for(200));
  engine->stop(kSecond);
}

TEST(EngineWaiting, AsManyBatchesAtOnceAsTheModelAllows) {
  for (const size_t concurrency : {3, 0}) {
    const auto door = std::make_shared<Door>();
    Counting counting;
    auto engine = engine_of(3);
    ModelOptions options = never_shed();
    options.max_batch_size = 1;
    ASSERT_TRUE(engine->load("a", "", waits(door, concurrency), options).ok());
    EXPECT_EQ(engine->stats().waiters, 3u);
    ask(*engine, "a", counting, 30);
    EXPECT_TRUE(door->wait_for(3));
    door->open();
    EXPECT_TRUE(counting.wait_for(30));
    engine->stop(kSecond);
  }
}

std::shared_ptr<const backend::Backend> computes_behind(std::shared_ptr<Door> door) {
  return backend::make_callable(
      [door](const backend::BatchInput& input, backend::BatchOutput& output) {
        door->pass();
        return twice(input, output);
      },
      one_number());
}

// One worker is awake and looks for work, the other sleeps. Two models are asked at that moment:
// the first keeps the worker that looked, so the other one must have been woken for the second.
TEST(EngineWaiting, WhatComesWhileAWorkerLooksWakesAnotherForEachModel) {
  EngineOptions options;
  options.num_workers = 2;
  options.spin_ns = 50 * kMillisecond;
  auto engine = Engine::make(options).value();
  ASSERT_TRUE(engine->load("quick", "", computes(), never_shed()).ok());
  for (int round = 0; round < 3; ++round) {
    const auto door = std::make_shared<Door>();
    Counting quick, slow;
    ASSERT_TRUE(engine->load("a", "", computes_behind(door), never_shed()).ok());
    ASSERT_TRUE(engine->load("b", "", computes_behind(door), never_shed()).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // both sleep by now
    ask(*engine, "quick", quick);                                 // wakes one
    ASSERT_TRUE(quick.wait_for(1));
    ask(*engine, "a", slow);
    ask(*engine, "b", slow);
    EXPECT_TRUE(door->wait_for(2)) << "one model waits for the other's batch";
    door->open();
    EXPECT_TRUE(slow.wait_for(2));
  }
  engine->stop(kSecond);
}

TEST(EngineWaiting, ThreadsEndWithTheirModels) {
  const size_t before = threads_of_this_process();
  auto engine = engine_of(2);
  Counting counting;
  ASSERT_TRUE(engine->load("a", "", waits()).ok());
  const size_t with_one = threads_of_this_process();
  for (int i = 1; i <= 300; ++i) {
    ask(*engine, "a", counting);
    ASSERT_TRUE(engine->load("a", "", waits()).ok());
  }
  ASSERT_TRUE(counting.wait_for(300));
  EXPECT_TRUE(threads_fall_to(with_one));
  EXPECT_EQ(engine->stats().waiters, 1u);
  ASSERT_TRUE(engine->unload("a").ok());
  EXPECT_TRUE(threads_fall_to(with_one - 1));
  EXPECT_EQ(engine->stats().waiters, 0u);
  engine->stop(kSecond);
  EXPECT_TRUE(threads_fall_to(before));
}

TEST(EngineWaiting, StopDoesNotWaitForOneThatNeverReturns) {
  const size_t before = threads_of_this_process();
  const auto door = std::make_shared<Door>();
  Counting counting;
  auto engine = engine_of(1);
  ASSERT_TRUE(engine->load("a", "", waits(door), never_shed()).ok());
  ask(*engine, "a", counting);
  ASSERT_TRUE(door->wait_for(1));
  engine->stop(10 * kMillisecond);
  EXPECT_EQ(counting.failed, 1);
  engine.reset();
  door->open();  // now its thread ends by itself
  EXPECT_TRUE(threads_fall_to(before));
  EXPECT_EQ(counting.answered, 0);
}

TEST(EngineWaiting, TooManyThreadsAreRefused) {
  auto engine = engine_of(1);
  const Status status = engine->load("a", "", waits({}, kWaitersMax + 1));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kTooLarge);
  EXPECT_NE(status.error().message.find("model \"a\" waits"), std::string::npos);
  EXPECT_TRUE(engine->models().empty());
}

// The thread sanitizer does not follow threads that a fork left behind, and the address sanitizer's
// allocator does not let go of the locks that they held.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST(EngineWaiting, TheChildOfAForkHasItsOwnThreads) {
  const auto door = std::make_shared<Door>();
  Counting slow, quick;
  auto engine = engine_of(1);
  ASSERT_TRUE(engine->load("a", "", waits()).ok());
  ASSERT_TRUE(engine->load("b", "", waits(door), never_shed()).ok());
  ASSERT_TRUE(engine->load("n", "", computes()).ok());
  ask(*engine, "b", slow);
  ASSERT_TRUE(door->wait_for(1));
  const pid_t child = fork();
  if (child == 0) {
    ask(*engine, "a", quick);
    ask(*engine, "n", quick);
    const bool answered = quick.wait_for(2) && slow.failed == 1;
    engine->stop(kSecond);
    _exit(answered && threads_fall_to(1) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  door->open();
  EXPECT_TRUE(slow.wait_for(1));
  engine->stop(kSecond);
}
#endif

}  // namespace
}  // namespace spinney::engine
