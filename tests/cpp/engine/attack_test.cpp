// What a process does to its engine: signals that interrupt every sleep, forks in the middle of it
// all, limits that come and go; and whether the counts add up after everything.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <random>
#include <thread>

#include "spinney/engine/engine.h"

namespace spinney::engine {
namespace {

constexpr auto kLong = std::chrono::seconds(60);  // for what happens at once on an idle machine

// By code; kInternal and kTooLarge are failures.
struct Outcomes : Completion {
  explicit Outcomes(bool blocks = false) : blocks_(blocks) {}
  bool may_block() const override { return blocks_; }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& f : finished) {
      if (!f.error) answered.fetch_add(1);
      if (f.error) by_code[static_cast<size_t>(f.error->code)].fetch_add(1);
    }
  }
  uint64_t of(Code code) const { return by_code[static_cast<size_t>(code)]; }
  uint64_t all() const {
    uint64_t sum = answered;
    for (const auto& n : by_code) sum += n;
    return sum;
  }
  bool wait_for(uint64_t answers) const {
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (answered < answers && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    return answered == answers;
  }
  std::atomic<uint64_t> answered{0};
  std::array<std::atomic<uint64_t>, 32> by_code{};

 private:
  bool blocks_;
};

// Fails on rows of 13; takes `delay` a batch.
std::shared_ptr<const backend::Backend> model(bool waits = false,
                                              std::chrono::microseconds delay = {}) {
  backend::CallableOptions options;
  options.width = 1;
  options.shape = {1, ElementType::kFloat64};
  options.idempotent = true;
  options.concurrency = waits ? 1 : 0;
  options.waits = waits;
  return backend::make_callable(
      [delay](const backend::BatchInput& input, backend::BatchOutput& output) -> Status {
        if (delay.count() > 0) std::this_thread::sleep_for(delay);
        for (size_t r = 0; r < input.rows.count; ++r) {
          if (input.rows.at(r, 0) == 13) return Error{Code::kInternal, "thirteen"};
          static_cast<double*>(output.data)[r] = input.rows.at(r, 0);
        }
        return {};
      },
      options);
}

ModelOptions never_shed() {
  ModelOptions options;
  options.shed_target_ns = 0;
  options.warm_up = false;
  return options;
}

Request request_of(const char* model, const double* row, Completion& completion) {
  Request request;
  request.model = model;
  request.rows = dense_rows(row, 1, 1);
  request.completion = &completion;
  return request;
}

// Interrupts whatever threads of this process sleep in, again and again, until it goes.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action = {};
    action.sa_handler = [](int) { caught.fetch_add(1); };  // without SA_RESTART
    sigaction(SIGUSR1, &action, &before_);
    thread_ = std::thread([this] { strike(); });
  }
  ~SignalStorm() {
    stopped_ = true;
    thread_.join();
    sigaction(SIGUSR1, &before_, nullptr);
  }
  static inline std::atomic<uint64_t> caught{0};

 private:
  void strike() {
    const auto self = static_cast<long>(syscall(SYS_gettid));
    while (!stopped_) {
      std::error_code gone;
      for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
        const long id = std::stol(task.path().filename());
        if (id != self) syscall(SYS_tgkill, getpid(), id, SIGUSR1);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  std::atomic<bool> stopped_{false};
  struct sigaction before_ = {};
  std::thread thread_;
};

TEST(EngineAttack, SignalsInterruptEverySleepAndNothingIsLost) {
  Outcomes direct(false), posted(true);
  EngineOptions options;
  options.num_workers = 2;
  options.spin_ns = 0;  // always asleep between requests
  auto engine = Engine::make(options).value();
  ASSERT_TRUE(engine->load("n", "", model(), never_shed()).ok());
  ASSERT_TRUE(engine->load("w", "", model(true), never_shed()).ok());
  {
    const SignalStorm storm;
    for (uint64_t i = 1; i <= 300; ++i) {
      const double row = 1;
      for (Outcomes* outcomes : {&direct, &posted})
        for (const char* name : {"n", "w"}) {
          Request request = request_of(name, &row, *outcomes);
          request.deadline_ns = engine->now_ns() + 600 * kSecond;  // a timer that must not fire
          ASSERT_TRUE(engine->submit(request).ok());
        }
      if (i % 3 == 0) {
        ASSERT_TRUE(direct.wait_for(2 * i) && posted.wait_for(2 * i)) << i;
      }
    }
    EXPECT_TRUE(engine->drain(kLong.count() * kSecond));
    engine->resume();
    // One that is never answered in time: drain() waits for as long as it was told.
    ASSERT_TRUE(engine->load("s", "", model(true, std::chrono::seconds(1)), never_shed()).ok());
    const double row = 1;
    ASSERT_TRUE(engine->submit(request_of("s", &row, direct)).ok());
    const int64_t begin = engine->now_ns();
    const bool drained = engine->drain(100 * kMillisecond);
    EXPECT_TRUE(drained || engine->now_ns() - begin >= 100 * kMillisecond);
    engine->stop(kLong.count() * kSecond);
  }
  EXPECT_GT(SignalStorm::caught, 100u);
  EXPECT_EQ(direct.answered, 601u);
  EXPECT_EQ(posted.answered, 600u);
  EXPECT_EQ(direct.all() + posted.all(), 1201u);
}

TEST(EngineAttack, ALimitThatFallsAndRisesRefusesAndAdmitsAtOnce) {
  Outcomes outcomes;
  EngineOptions options;
  options.threads = false;
  options.num_workers = 1;
  options.max_concurrent_requests = 50;
  auto engine = Engine::make(options).value();
  ASSERT_TRUE(engine->load("n", "", model(), never_shed()).ok());
  double row = 100;
  const auto admitted_of = [&](int asked) {
    int admitted = 0;
    for (int i = 0; i < asked; ++i) {
      ++row;
      admitted += engine->submit(request_of("n", &row, outcomes)).ok();
    }
    return admitted;
  };
  EXPECT_EQ(admitted_of(60), 50);
  engine->limit_concurrency(5);  // of those in flight none is given up
  EXPECT_EQ(admitted_of(10), 0);
  while (engine->run_some()) {
  }
  EXPECT_EQ(outcomes.answered, 50u);
  EXPECT_EQ(admitted_of(10), 5);
  engine->limit_concurrency(Engine::kNoLimit);
  EXPECT_EQ(admitted_of(60), 45);
  while (engine->run_some()) {
  }
  const RequestCounts counts = engine->stats().requests;
  EXPECT_EQ(counts.submitted, 140u);
  EXPECT_EQ(counts.admitted, 100u);
  EXPECT_EQ(counts.answered, 100u);
  EXPECT_EQ(counts.refused[static_cast<size_t>(Refusal::kConcurrency)], 25u);
  EXPECT_EQ(counts.refused[static_cast<size_t>(Refusal::kThrottled)], 15u);
}

// Everything at once, a stop in the middle, and each count is what callers saw.
TEST(EngineAttack, CountsAreExactAfterTheEnd) {
  for (int round = 0; round < 5; ++round) {
    Outcomes direct(false), posted(true);
    EngineOptions engine_options;
    engine_options.num_workers = 2;
    engine_options.cache_entries = 20;
    auto engine = Engine::make(engine_options).value();
    ModelOptions options;
    options.warm_up = false;
    options.max_queue_rows = 300;
    options.max_batch_size = 8;
    options.shed_target_ns = kMillisecond;
    options.shed_interval_ns = 2 * kMillisecond;
    const auto slow = std::chrono::microseconds(200);
    ASSERT_TRUE(engine->load("n", "", model(false, slow), options).ok());
    ASSERT_TRUE(engine->load("w", "", model(true, slow), options).ok());
    std::array<std::atomic<uint64_t>, kRefusals> refused{};
    std::atomic<uint64_t> submitted{0}, admitted{0}, cancelled{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 3; ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random(t + 10 * static_cast<unsigned>(round));
        std::vector<RequestId> ids;
        for (int i = 0; i < 4000; ++i) {
          const double row[2] = {static_cast<double>(random() % 200), 0};
          const char* names[] = {"n", "w", "n", "nobody"};
          Request request = request_of(names[random() % 4], row, random() % 2 ? direct : posted);
          if (random() % 50 == 0) request.rows = dense_rows(row, 1, 2);
          request.priority = static_cast<Priority>(random() % kPriorities);
          if (random() % 3 == 0)
            request.deadline_ns = engine->now_ns() + static_cast<int64_t>(random() % 3'000'000);
          const Admission admission = engine->submit(request);
          submitted.fetch_add(1);
          refused[static_cast<size_t>(admission.refusal)].fetch_add(1);
          if (admission.ok()) ids.push_back(admission.id);
          if (admission.ok()) admitted.fetch_add(1);
          if (random() % 5 == 0 && !ids.empty())
            cancelled.fetch_add(engine->cancel(ids[random() % ids.size()]));
          if (i % 1000 != 500) continue;
          const Status loaded = engine->load("n", "", model(false, slow), options);
          EXPECT_TRUE(loaded.ok() || loaded.error().code == Code::kShutDown);
        }
      });
    if (round % 2) {
      while (submitted < 6000) std::this_thread::sleep_for(std::chrono::microseconds(50));
      engine->stop(round == 1 ? 0 : 5 * kMillisecond);
    }
    for (auto& thread : threads) thread.join();
    engine->drain(kLong.count() * kSecond);
    engine->stop(kSecond);
    const RequestCounts counts = engine->stats().requests;
    EXPECT_EQ(counts.submitted, submitted);
    EXPECT_EQ(counts.admitted, admitted);
    for (size_t i = 1; i < kRefusals; ++i) EXPECT_EQ(counts.refused[i], refused[i]) << i;
    const auto told = [&](Code code) { return direct.of(code) + posted.of(code); };
    EXPECT_EQ(counts.answered, direct.answered + posted.answered);
    EXPECT_EQ(counts.failed, told(Code::kInternal) + told(Code::kTooLarge));
    EXPECT_EQ(counts.expired, told(Code::kExpired));
    EXPECT_EQ(counts.cancelled, cancelled);
    EXPECT_EQ(counts.cancelled, told(Code::kCancelled));
    EXPECT_EQ(counts.shed, told(Code::kThrottled));
    EXPECT_EQ(counts.shut_down, told(Code::kShutDown));
    EXPECT_EQ(counts.in_flight(), 0u);
    EXPECT_EQ(direct.all() + posted.all(), admitted);
  }
}

// A batch that fails after a stop is halved, and nobody runs its halves; what it holds goes all the
// same.
TEST(EngineAttack, NothingStaysOfABatchThatFailsAfterAStop) {
  std::atomic<bool> entered{false}, opened{false};
  backend::CallableOptions waits;
  waits.width = 1;
  waits.shape = {1, ElementType::kFloat64};
  waits.idempotent = waits.waits = true;
  waits.concurrency = 1;
  auto fails = backend::make_callable(
      [&](const backend::BatchInput&, backend::BatchOutput&) -> Status {
        entered = true;
        while (!opened) std::this_thread::sleep_for(std::chrono::microseconds(200));
        return Error{Code::kInternal, "late"};
      },
      waits);
  const std::weak_ptr<const backend::Backend> watched = fails;
  Outcomes posted(true);
  auto engine = Engine::make({}).value();
  ModelOptions options = never_shed();
  options.min_batch_size = 2;
  options.batch_timeout_ns = kLong.count() * kSecond;
  ASSERT_TRUE(engine->load("w", "", std::move(fails), options).ok());
  const double rows[2] = {1, 2};  // equal ones would share an answer
  for (const double& row : rows) ASSERT_TRUE(engine->submit(request_of("w", &row, posted)).ok());
  while (!entered) std::this_thread::sleep_for(std::chrono::microseconds(200));
  engine->stop(0);
  EXPECT_TRUE(engine->drain(kLong.count() * kSecond));  // both are told, by a thread of their own
  EXPECT_EQ(posted.of(Code::kShutDown), 2u);
  engine.reset();
  opened = true;
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (!watched.expired() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(watched.expired());
}

// The thread sanitizer does not follow threads that a fork left behind, and the address sanitizer's
// allocator does not let go of the locks that they held.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
// The child's share: both kinds of models answer, and all threads end.
int in_the_child(Engine& engine) {
  alarm(120);  // a lock that a thread of the parent held is found so
  Outcomes outcomes;
  double row = 0;
  for (int i = 0; i < 100; ++i) {
    ++row;
    for (const char* name : {"n", "w"})
      if (!engine.submit(request_of(name, &row, outcomes)).ok()) return 2;
  }
  const bool answered = outcomes.wait_for(198);  // but for the two of 13
  engine.stop(kSecond);
  return answered && outcomes.of(Code::kInternal) == 2 ? 0 : 1;
}

TEST(EngineAttack, ForksUnderLoadLeaveNoLockBehind) {
  Outcomes direct(false), posted(true);
  EngineOptions engine_options;
  engine_options.num_workers = 2;
  engine_options.cache_entries = 10'000;
  auto engine = Engine::make(engine_options).value();
  ModelOptions options = never_shed();
  options.max_queue_rows = 300;
  ASSERT_TRUE(engine->load("n", "", model(), options).ok());
  ASSERT_TRUE(engine->load("w", "", model(true), options).ok());
  std::atomic<bool> stopped{false};
  std::atomic<uint64_t> admitted{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      while (!stopped) {
        const double row = 100 + static_cast<double>(random() % 100'000);
        Request request =
            request_of(random() % 2 ? "n" : "w", &row, random() % 2 ? direct : posted);
        if (random() % 4 == 0) request.deadline_ns = engine->now_ns() + kMillisecond;
        const bool ok = engine->submit(request).ok();
        admitted.fetch_add(ok);
        if (!ok || random() % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    });
  threads.emplace_back([&] {
    while (!stopped) {
      EXPECT_TRUE(engine->load("w", "", model(true), options).ok());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const pid_t child = fork();
    if (child == 0) _exit(in_the_child(*engine));
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "fork " << i << ": " << status;
  }
  stopped = true;
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(engine->drain(kLong.count() * kSecond));
  engine->stop(kSecond);
  EXPECT_EQ(direct.all() + posted.all(), admitted);
}
#endif

}  // namespace
}  // namespace spinney::engine
