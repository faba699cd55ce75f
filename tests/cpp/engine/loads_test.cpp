// Loads run side by side, and what unload(), stop() and other loads do to one that is under way.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "spinney/engine/engine.h"

namespace spinney::engine {
namespace {

constexpr auto kLong = std::chrono::seconds(60);  // for what happens at once on an idle machine

// A model whose warm-up can be held up, and which answers with its own number.
struct Held {
  explicit Held(double own, bool held = true) : number(own), open(!held) {}
  std::shared_ptr<const backend::Backend> backend(bool waits = false) {
    backend::CallableOptions options;
    options.width = 1;
    options.shape = {1, ElementType::kFloat64};
    options.idempotent = true;
    options.waits = waits;
    options.concurrency = 1;
    auto made = backend::make_callable(
        [this](const backend::BatchInput& input, backend::BatchOutput& output) -> Status {
          std::unique_lock lock(mutex);
          entered = true;
          changed.notify_all();
          changed.wait(lock, [&] { return open; });
          if (fails) return Error{Code::kInternal, "the model is broken"};
          for (size_t r = 0; r < input.rows.count; ++r)
            static_cast<double*>(output.data)[r] = number;
          return {};
        },
        options);
    watched = made;
    return made;
  }
  void let_go() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  bool wait_until_entered() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kLong, [&] { return entered; });
  }

  double number;
  std::mutex mutex;
  std::condition_variable changed;
  bool open, entered = false, fails = false;
  std::weak_ptr<const backend::Backend> watched;
};

struct Answer : Completion {
  void finish(std::span<Finished> finished) noexcept override {
    const Finished& one = finished.front();
    number = one.error ? -1 : *static_cast<const double*>(one.answer.data);
    told.store(true);
  }
  double number = -2;
  std::atomic<bool> told{false};
};

double ask(Engine& engine, const char* model, const char* version = "") {
  Answer answer;
  const double row = 0;
  Request request;
  request.model = model;
  request.version = version;
  request.rows = dense_rows(&row, 1, 1);
  request.completion = &answer;
  if (!engine.submit(request).ok()) return -3;
  while (!answer.told) std::this_thread::sleep_for(std::chrono::microseconds(100));
  return answer.number;
}

// A load on a thread of its own.
class Load {
 public:
  Load(Engine& engine, Held& held, const char* name, const char* version = "", bool waits = false)
      : thread_([&, name, version, backend = held.backend(waits)]() mutable {
          status_ = engine.load(name, version, std::move(backend));
        }) {
    EXPECT_TRUE(held.wait_until_entered());
  }
  ~Load() {
    if (thread_.joinable()) thread_.join();
  }
  const Status& join() {
    thread_.join();
    return status_;
  }

 private:
  Status status_;
  std::thread thread_;
};

std::unique_ptr<Engine> engine_of(size_t workers) {
  EngineOptions options;
  options.num_workers = workers;
  return Engine::make(options).value();
}

TEST(EngineLoads, OthersGoOnWhileOneIsHeldUp) {
  auto engine = engine_of(1);
  Held slow(1), quick(2, false);
  Load loading(*engine, slow, "slow");
  ASSERT_TRUE(engine->load("quick", "", quick.backend()).ok());
  EXPECT_EQ(ask(*engine, "quick"), 2);
  ASSERT_TRUE(engine->unload("quick").ok());
  EXPECT_EQ(ask(*engine, "slow"), -3);
  slow.let_go();
  EXPECT_TRUE(loading.join().ok());
  EXPECT_EQ(ask(*engine, "slow"), 1);
}

TEST(EngineLoads, TheOneCalledLastIsServedWhicheverEndsLast) {
  auto engine = engine_of(1);
  Held slow(1), quick(2, false);
  Load loading(*engine, slow, "m", "v");
  ASSERT_TRUE(engine->load("m", "v", quick.backend()).ok());
  slow.let_go();
  EXPECT_TRUE(loading.join().ok());
  EXPECT_EQ(ask(*engine, "m"), 2);
  EXPECT_TRUE(slow.watched.expired());  // nothing of it is kept
  EXPECT_EQ(engine->models().size(), 1u);
}

TEST(EngineLoads, VersionsCountInTheOrderInWhichTheyWereCalled) {
  auto engine = engine_of(1);
  Held slow(1), quick(2, false);
  Load loading(*engine, slow, "m", "1");
  ASSERT_TRUE(engine->load("m", "2", quick.backend()).ok());
  slow.let_go();
  EXPECT_TRUE(loading.join().ok());
  EXPECT_EQ(ask(*engine, "m"), 2);
  EXPECT_EQ(ask(*engine, "m", "1"), 1);
}

TEST(EngineLoads, OneThatFailsChangesNothing) {
  auto engine = engine_of(1);
  Held slow(1), quick(2, false);
  slow.fails = true;
  Load loading(*engine, slow, "m", "v");
  ASSERT_TRUE(engine->load("m", "v", quick.backend()).ok());
  slow.let_go();
  EXPECT_FALSE(loading.join().ok());
  EXPECT_EQ(ask(*engine, "m"), 2);
  EXPECT_TRUE(slow.watched.expired());
}

TEST(EngineLoads, UnloadCallsOffWhatIsUnderWay) {
  for (const bool waits : {false, true}) {
    auto engine = engine_of(1);
    Held slow(1), other(2);
    Load loading(*engine, slow, "m", "1", waits);
    Load beside(*engine, other, "m", "2", waits);
    ASSERT_TRUE(engine->unload("m", "1").ok());
    EXPECT_FALSE(engine->unload("m", "1").ok());  // nothing of it is left
    slow.let_go();
    other.let_go();
    const Status status = loading.join();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kCancelled);
    EXPECT_NE(status.error().message.find("\"m\" was unloaded"), std::string::npos);
    EXPECT_TRUE(beside.join().ok());
    EXPECT_EQ(ask(*engine, "m"), 2);
    EXPECT_TRUE(slow.watched.expired());
    EXPECT_EQ(engine->stats().waiters, waits ? 1u : 0u);
  }
}

TEST(EngineLoads, StopDoesNotWaitForOneAndItFails) {
  auto engine = engine_of(1);
  Held slow(1);
  Load loading(*engine, slow, "m", "", true);
  engine->stop(0);
  slow.let_go();
  const Status status = loading.join();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kShutDown);
  EXPECT_TRUE(slow.watched.expired());
  EXPECT_TRUE(engine->models().empty());
}

}  // namespace
}  // namespace spinney::engine
