// Many real threads at once: submitters, cancellers, reloads and a stop in the middle. Each request
// is told once, with its own answer or an error that can be. Meant for the thread sanitizer, too.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "spinney/engine/engine.h"

namespace spinney::engine {
namespace {

struct Slot {
  std::atomic<int> replies{0};
  double expected = 0;
};

class Counting : public Completion {
 public:
  explicit Counting(bool blocks) : blocks_(blocks) {}
  bool may_block() const override { return blocks_; }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& f : finished) {
      auto* slot = static_cast<Slot*>(f.context);
      if (!f.error && *static_cast<const double*>(f.answer.data) != slot->expected)
        wrong.store(true);
      if (!f.error) answered.fetch_add(1);
      if (f.error && f.error->code == Code::kShutDown) shut_down.fetch_add(1);
      slot->replies.fetch_add(1);
    }
  }
  std::atomic<bool> wrong{false};
  std::atomic<uint64_t> answered{0}, shut_down{0};

 private:
  bool blocks_;
};

std::shared_ptr<const backend::Backend> tripler(std::chrono::microseconds delay = {}) {
  backend::CallableOptions options;
  options.width = 2;
  options.shape = {1, ElementType::kFloat64};
  options.idempotent = true;
  options.concurrency = 0;
  return backend::make_callable(
      [delay](const backend::BatchInput& input, backend::BatchOutput& output) -> Status {
        if (delay.count() > 0) std::this_thread::sleep_for(delay);
        for (size_t r = 0; r < input.rows.count; ++r)
          static_cast<double*>(output.data)[r] = 3 * input.rows.at(r, 0);
        return {};
      },
      options);
}

Admission ask(Engine& engine, Completion& completion, Slot& slot, double value,
              Priority priority = Priority::kNormal, int64_t deadline_ns = kNever) {
  const double row[2] = {value, 0};
  slot.expected = 3 * value;
  Request request;
  request.rows = dense_rows(row, 1, 2);
  request.priority = priority;
  request.deadline_ns = deadline_ns;
  request.completion = &completion;
  request.context = &slot;
  return engine.submit(request);
}

TEST(EngineStress, EveryRequestIsToldOnce) {
  Counting direct(false);
  Counting posted(true);
  EngineOptions options;
  options.num_workers = 3;
  auto engine = Engine::make(options).value();
  ASSERT_TRUE(engine->load("m", "", tripler()).ok());
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 3000;
  std::vector<std::vector<Slot>> slots;
  for (size_t t = 0; t < kThreads; ++t) slots.emplace_back(kEach);
  std::vector<std::vector<bool>> admitted(kThreads, std::vector<bool>(kEach));
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      std::vector<RequestId> ids;
      for (size_t i = 0; i < kEach; ++i) {
        const int64_t deadline = random() % 3 == 0
                                     ? engine->now_ns() + static_cast<int64_t>(random() % 2'000'000)
                                     : kNever;
        const Admission admission = ask(*engine, random() % 2 ? direct : posted, slots[t][i],
                                        static_cast<double>(random() % 50),
                                        static_cast<Priority>(random() % kPriorities), deadline);
        admitted[t][i] = admission.ok();
        if (admission.ok()) ids.push_back(admission.id);
        if (random() % 5 == 0 && !ids.empty()) engine->cancel(ids[random() % ids.size()]);
      }
    });
  std::thread reloader([&] {
    for (int i = 0; i < 50; ++i) {
      EXPECT_TRUE(engine->load("m", "", tripler()).ok());
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  });
  for (auto& thread : threads) thread.join();
  reloader.join();
  EXPECT_TRUE(engine->drain(20 * kSecond));
  engine->stop(5 * kSecond);
  for (size_t t = 0; t < kThreads; ++t)
    for (size_t i = 0; i < kEach; ++i)
      ASSERT_EQ(slots[t][i].replies, admitted[t][i] ? 1 : 0) << t << " " << i;
  EXPECT_FALSE(direct.wrong || posted.wrong);
  EXPECT_GT(direct.answered, 0u);
  EXPECT_GT(posted.answered, 0u);
  EXPECT_EQ(engine->stats().requests.in_flight(), 0u);
}

TEST(EngineStress, StopAnswersWhatIsLeftWithinItsTime) {
  for (int round = 0; round < 20; ++round) {
    Counting posted(true);
    auto engine = Engine::make({}).value();
    ASSERT_TRUE(
        engine->load("m", "", tripler(std::chrono::milliseconds(20)), {.warm_up = false}).ok());
    std::vector<Slot> slots(200);
    size_t admitted = 0;
    for (size_t i = 0; i < slots.size(); ++i)
      admitted += ask(*engine, posted, slots[i], static_cast<double>(i)).ok();
    const int64_t begin = engine->now_ns();
    engine->stop(round % 2 ? 0 : 10 * kMillisecond);
    EXPECT_LT(engine->now_ns() - begin, 30 * kSecond);
    size_t told = 0;
    for (Slot& slot : slots) told += static_cast<size_t>(slot.replies.load());
    EXPECT_EQ(told, admitted);
    EXPECT_FALSE(ask(*engine, posted, slots[0], 1).ok());
    engine->stop(0);
  }
}

// All workers are busy with a slow model, and still a deadline is kept.
TEST(EngineStress, TellsTheExpiredWhileAllWorkersAreBusy) {
  Counting direct(false);
  EngineOptions options;
  options.num_workers = 1;
  auto engine = Engine::make(options).value();
  ASSERT_TRUE(engine->load("m", "", tripler(std::chrono::seconds(3)), {.warm_up = false}).ok());
  Slot running, queued;
  ASSERT_TRUE(
      ask(*engine, direct, running, 1, Priority::kNormal, engine->now_ns() + 50 * kMillisecond)
          .ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const int64_t begin = engine->now_ns();
  ASSERT_TRUE(ask(*engine, direct, queued, 2, Priority::kNormal, begin + 20 * kMillisecond).ok());
  while ((queued.replies == 0 || running.replies == 0) && engine->now_ns() - begin < 60 * kSecond)
    std::this_thread::yield();
  EXPECT_LT(engine->now_ns() - begin, 5 * kSecond / 2);  // the model takes longer
  EXPECT_EQ(direct.answered, 0u);
  engine->stop(kSecond);
  EXPECT_EQ(running.replies + queued.replies, 2);
}

// The thread sanitizer does not follow threads that a fork left behind, and the address sanitizer's
// allocator does not let go of the locks that they held.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST(EngineFork, TheChildStartsAfreshAndInheritedRequestsFail) {
  Counting direct(false);
  auto engine = Engine::make({}).value();
  ASSERT_TRUE(
      engine->load("m", "", tripler(std::chrono::milliseconds(100)), {.warm_up = false}).ok());
  std::vector<Slot> slots(200);
  for (size_t i = 0; i < slots.size(); ++i)
    ASSERT_TRUE(ask(*engine, direct, slots[i], static_cast<double>(i)).ok());
  const pid_t child = fork();
  if (child == 0) {
    const uint64_t before = direct.answered;
    engine->after_fork_in_child();
    const bool failed = direct.shut_down + before >= slots.size() - 1;
    Slot fresh;
    const bool admitted = ask(*engine, direct, fresh, 7).ok();
    for (int i = 0; i < 3000 && fresh.replies == 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const bool answered = direct.answered == before + 1;
    engine->stop(kSecond);
    _exit(failed && admitted && answered && fresh.replies == 1 ? 0 : failed * 4 + admitted * 2 + 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(engine->drain(20 * kSecond));
  EXPECT_EQ(direct.answered, slots.size());
  engine->stop(kSecond);
}
#endif

}  // namespace
}  // namespace spinney::engine
