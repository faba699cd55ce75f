// What the child of a fork finds of the engine it inherited: each lock free, whoever held it; its
// own requests answered without a lock; threads from its first use on only; nothing kept for good.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "spinney/engine/engine.h"

// The thread sanitizer does not follow threads that a fork left behind, and the address sanitizer's
// allocator does not let go of the locks that they held.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)

namespace spinney::engine {
namespace {

constexpr auto kLong = std::chrono::seconds(60);  // for what happens at once on an idle machine

bool becomes_true(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

// Runs `child` in a forked child; true if it gives 0 there, else it gives the step that failed.
// False also if it hangs.
bool in_a_child(const std::function<int()>& child) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(180);
    const int fault = child();
    if (fault != 0) fprintf(stderr, "the child failed at its step %d\n", fault);
    _exit(fault);
  }
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct Door {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int inside = 0;
  void pass() {
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
  }
  void wait_for(int count) {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, kLong, [&] { return inside >= count; }));
  }
  void let_go() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

std::shared_ptr<const backend::Backend> model(Door* door = nullptr, bool waits = false) {
  backend::CallableOptions options;
  options.width = 1;
  options.shape = {1, ElementType::kFloat64};
  options.concurrency = 1;
  options.waits = waits;
  return backend::make_callable(
      [door](const backend::BatchInput& input, backend::BatchOutput& output) -> Status {
        if (door) door->pass();
        for (size_t r = 0; r < input.rows.count; ++r)
          static_cast<double*>(output.data)[r] = input.rows.at(r, 0);
        return {};
      },
      options);
}

ModelOptions never_shed() {
  ModelOptions options;
  options.shed_target_ns = 0;
  return options;
}

struct Told : Completion {
  explicit Told(std::function<void(const Finished&)> then = {}, bool blocks = false)
      : then_(std::move(then)), blocks_(blocks) {}
  bool may_block() const override { return blocks_; }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& one : finished) {
      if (then_) then_(one);
      (one.error ? failed : answered).fetch_add(1);
    }
  }
  std::atomic<int> answered{0}, failed{0};

 private:
  std::function<void(const Finished&)> then_;
  bool blocks_;
};

Admission ask(Engine& engine, const char* name, Completion& completion, double row = 1) {
  Request request;
  request.model = name;
  request.rows = dense_rows(&row, 1, 1);
  request.completion = &completion;
  return engine.submit(request);
}

size_t threads_of_this_process() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

std::unique_ptr<Engine> engine_of(size_t workers) {
  EngineOptions options;
  options.max_concurrent_requests = 1000;
  options.num_workers = workers;
  options.cache_entries = 100;
  return Engine::make(options).value();
}

// Whoever is told of an inherited request may ask the engine for all it has.
TEST(EngineFork, WhatIsInheritedIsToldWithoutALock) {
  for (const bool blocks : {false, true}) {
    Door door;
    auto engine = engine_of(1);
    ASSERT_TRUE(engine->load("held", "", model(&door), never_shed()).ok());
    Told fresh;
    Told inherited(
        [&](const Finished&) {
          (void)ask(*engine, "held2", fresh);
          (void)engine->load("held2", "", model(), never_shed());
          (void)ask(*engine, "held2", fresh);
          (void)engine->models();
          (void)engine->unload("nothing");
        },
        blocks);
    ASSERT_TRUE(ask(*engine, "held", inherited).ok());
    door.wait_for(1);
    ASSERT_TRUE(ask(*engine, "held", inherited).ok());  // and one that waits
    EXPECT_TRUE(in_a_child([&] {
      engine->after_fork_in_child();
      if (!becomes_true([&] { return inherited.failed == 2; })) return 1;
      if (!becomes_true([&] { return fresh.answered >= 2; })) return 2;
      return engine->drain(kLong.count() * kSecond) ? 0 : 3;
    }));
    door.let_go();
    EXPECT_TRUE(becomes_true([&] { return inherited.answered == 2; }));
    engine->stop(kSecond);
  }
}

TEST(EngineFork, ThreadsStartWithTheFirstUse) {
  auto engine = engine_of(2);
  ASSERT_TRUE(engine->load("m", "", model(), never_shed()).ok());
  ASSERT_TRUE(engine->load("w", "", model(nullptr, true), never_shed()).ok());
  EXPECT_TRUE(in_a_child([&] {
    if (threads_of_this_process() != 1) return 1;
    (void)engine->models();
    (void)engine->stats();
    if (threads_of_this_process() != 1) return 2;
    Told told;
    if (!ask(*engine, "m", told).ok() || !ask(*engine, "w", told).ok()) return 3;
    return becomes_true([&] { return told.answered == 2; }) ? 0 : 4;
  }));
  engine->stop(kSecond);
}

// What the parent's threads were in the middle of does not keep a model that the child replaces.
TEST(EngineFork, AModelWithABatchThatOnlyTheParentRunsCanBeReplaced) {
  Door door;
  auto engine = engine_of(1);
  ASSERT_TRUE(engine->load("w", "", model(&door, true), never_shed()).ok());
  Told inherited;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(ask(*engine, "w", inherited, i).ok());
  door.wait_for(1);
  EXPECT_TRUE(in_a_child([&] {
    Told fresh;
    if (!engine->load("w", "", model(nullptr, true), never_shed()).ok()) return 1;
    if (!ask(*engine, "w", fresh).ok()) return 2;
    if (!becomes_true([&] { return fresh.answered == 1 && inherited.failed == 5; })) return 3;
    if (!becomes_true([&] { return engine->stats().waiters == 1; })) return 4;
    if (!becomes_true([&] { return engine->stats().in_flight == 0; })) return 5;
    return engine->stats().requests.in_flight() == 0 ? 0 : 6;
  }));
  door.let_go();
  EXPECT_TRUE(becomes_true([&] { return inherited.answered == 5; }));
  engine->stop(kSecond);
}

// A load is under way on another thread, which the child does not have.
TEST(EngineFork, AnotherThreadsLoadIsForgotten) {
  Door door;
  auto engine = engine_of(1);
  ASSERT_TRUE(engine->load("m", "", model(), never_shed()).ok());
  backend::CallableOptions options;
  options.width = 1;
  options.shape = {1, ElementType::kFloat64};
  options.idempotent = true;
  auto held = backend::make_callable(
      [&](const backend::BatchInput&, backend::BatchOutput&) -> Status {
        door.pass();
        return {};
      },
      options);
  std::thread loading([&] { EXPECT_TRUE(engine->load("late", "", held).ok()); });
  door.wait_for(1);
  EXPECT_TRUE(in_a_child([&] {
    Told told;
    if (engine->unload("late").ok()) return 1;
    if (!ask(*engine, "m", told).ok()) return 2;
    return becomes_true([&] { return told.answered == 1; }) ? 0 : 3;
  }));
  door.let_go();
  loading.join();
  engine->stop(kSecond);
}

// A signal's handler may fork while its thread waits for an equal visit of another one's.
TEST(EngineFork, WhoWaitsForAnEqualVisitGoesOnByItself) {
  Door door;
  auto engine = engine_of(1);
  backend::CallableOptions options;
  options.width = 1;
  options.shape = {1, ElementType::kFloat64};
  options.idempotent = true;
  const auto nothing = [](const backend::BatchInput&, backend::BatchOutput&) { return Status(); };
  ModelOptions lane = never_shed();
  lane.warm_up = false;
  ASSERT_TRUE(engine->load("m", "", backend::make_callable(nothing, options), lane).ok());
  const double value = 3;
  Request request;
  request.rows = dense_rows(&value, 1, 1);
  request.model = "m";
  std::thread leading([&] {
    Visit visit;
    EXPECT_TRUE(engine->enter(request, visit).ok());
    EXPECT_EQ(visit.turn(), Turn::kRun);
    door.pass();
    visit.give_up();
  });
  door.wait_for(1);
  auto waits = std::make_unique<Visit>(), leaves = std::make_unique<Visit>();
  for (Visit* visit : {waits.get(), leaves.get()}) {
    ASSERT_TRUE(engine->enter(request, *visit).ok());
    ASSERT_EQ(visit->turn(), Turn::kWait);
  }
  EXPECT_TRUE(in_a_child([&] {
    if (waits->wait(kMillisecond) != Turn::kAgain) return 1;
    waits.reset();
    leaves.reset();
    Visit again;
    if (!engine->enter(request, again).ok() || again.turn() != Turn::kRun) return 2;
    again.give_up();
    return engine->stats().in_flight == 1 ? 0 : 3;  // this one
  }));
  door.let_go();
  leading.join();
  EXPECT_EQ(waits->wait(kSecond), Turn::kAgain);
  waits.reset();
  leaves.reset();
  engine->stop(kSecond);
}

// Requests, looks at the models and loads without a pause, so that a fork meets every lock held.
TEST(EngineFork, EveryLockIsFreeInTheChild) {
  auto engine = engine_of(2);
  const ModelOptions cached = never_shed();
  ASSERT_TRUE(engine->load("m", "", model(), cached).ok());
  std::atomic<bool> stopped{false};
  Told told(nullptr), posted(nullptr, true);
  std::vector<std::thread> threads;
  const auto again_and_again = [&](std::function<void()> what) {
    threads.emplace_back([&, what = std::move(what)] {
      while (!stopped) what();
    });
  };
  again_and_again([&] {
    const Admission admission = ask(*engine, "m", told, 2);
    if (admission.ok()) (void)engine->cancel(admission.id);
  });
  again_and_again([&] { (void)ask(*engine, "m", posted, 3); });
  again_and_again([&] { (void)engine->models(); });
  again_and_again([&] { (void)engine->load("m", "", model(), cached); });
  for (int i = 0; i < 30; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(in_a_child([&] {
      Told fresh;
      // What was inherited counts as long as it is not told.
      if (!becomes_true([&] { return ask(*engine, "m", fresh, 5).ok(); })) return 1;
      if (!becomes_true([&] { return fresh.answered == 1; })) return 2;
      if (engine->models().empty()) return 3;
      if (!engine->load("m", "", model(), cached).ok()) return 4;
      return engine->drain(kLong.count() * kSecond) ? 0 : 5;
    })) << "fork "
        << i;
  }
  stopped = true;
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(engine->drain(kLong.count() * kSecond));
  engine->stop(kSecond);
}

}  // namespace
}  // namespace spinney::engine

#endif
