// Overload in virtual time: what a policy does is seen without what a machine does. Requests come
// at exponential gaps whether or not earlier ones were answered, at a multiple of the capacity that
// is measured first.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "engine/timeline.h"

namespace spinney::engine::testing_world {
namespace {

struct Load {
  Cost cost{20 * kMicrosecond, 5 * kMicrosecond};
  double factor = 2;         // of the capacity
  double high = 0.1;         // share of requests
  std::vector<int64_t> due;  // deadlines, by turns; kNever: none
  int64_t lasts_ns = kSecond;
  uint64_t seed = 7;
  size_t models = 1;     // by turns
  int64_t stall_ns = 0;  // each tenth of a second
  double slower = 1;     // what the machine takes of its time, from a third of the load's on
  ModelOptions options;
};

struct Level {
  std::vector<int64_t> took_ns;
  size_t asked = 0, refused = 0, shed = 0, expired = 0;
  double ms(double quantile) {
    if (took_ns.empty()) return 0;
    std::sort(took_ns.begin(), took_ns.end());
    const auto at = static_cast<size_t>(quantile * static_cast<double>(took_ns.size() - 1));
    return static_cast<double>(took_ns[at]) / kMillisecond;
  }
};

struct Outcome {
  double goodput = 0;  // of the capacity
  Level high, normal;
};

ModelOptions base_options() {
  ModelOptions options;
  options.single_flight = false;
  return options;
}

// Answers a second, with a queue that is never empty.
double capacity(const Load& load) {
  Timeline line;
  line.load("m", load.cost, load.options);
  line.on_told = [&](Ask&) { line.ask({}); };
  for (int i = 0; i < 128; ++i) line.ask({});
  const int64_t begin = line.now();
  line.run_until(begin + kSecond / 2);
  const auto took = static_cast<double>(line.now() - begin) / kSecond;
  return static_cast<double>(line.rows_run) / took;
}

class Arrivals {
 public:
  Arrivals(Timeline& line, const Load& load, double per_second)
      : line_(line),
        load_(load),
        random_(load.seed),
        gap_(per_second / kSecond),
        begin_(line.now()) {
    due_ = static_cast<double>(begin_);
    next();
  }

 private:
  void next() {
    due_ += gap_(random_);
    if (due_ > static_cast<double>(begin_ + load_.lasts_ns)) return;
    line_.at(static_cast<int64_t>(due_), [this] {
      Ask ask;
      if (std::uniform_real_distribution<>(0, 1)(random_) < load_.high)
        ask.priority = Priority::kHigh;
      ask.model.assign(1, count_ % load_.models == 0 ? 'm' : 'n');
      ask.due_in_ns = load_.due[count_++ % load_.due.size()];
      line_.ask(ask);
      next();
    });
  }
  Timeline& line_;
  const Load& load_;
  std::mt19937_64 random_;
  std::exponential_distribution<> gap_;
  int64_t begin_;
  double due_ = 0;
  size_t count_ = 0;
};

Outcome offer(const Load& load) {
  const double full = capacity(load);
  Timeline line;
  line.load("m", load.cost, load.options);
  if (load.models > 1) line.load("n", load.cost, load.options);
  line.at(line.now() + load.lasts_ns / 3, [&] { line.slower = load.slower; });
  for (int i = 1; i < 10; ++i)  // as long as a stall lasts, one batch takes
    line.at(line.now() + i * kSecond / 10, [&] { line.stall_ns = load.stall_ns; });
  Arrivals arrivals(line, load, full * load.factor);
  line.run_all();
  Outcome outcome;
  size_t good = 0;
  for (const auto& ask : line.asked) {
    Level& level = ask->priority == Priority::kHigh ? outcome.high : outcome.normal;
    ++level.asked;
    level.refused += !ask->admission.ok();
    if (!ask->admission.ok()) continue;
    level.shed += ask->code == Code::kThrottled;
    level.expired += ask->code == Code::kExpired;
    if (ask->ok) level.took_ns.push_back(ask->told_ns - ask->asked_ns);
    good += ask->ok;
  }
  outcome.goodput =
      static_cast<double>(good) / full / (static_cast<double>(load.lasts_ns) / kSecond);
  if (std::getenv("SPINNEY_SHOW"))
    for (Level* level : {&outcome.high, &outcome.normal})
      std::printf(
          "x%.2f goodput %.3f asked %zu refused %zu shed %zu expired %zu p50 %.2f p99 %.2f max "
          "%.2f\n",
          load.factor, outcome.goodput, level->asked, level->refused, level->shed, level->expired,
          level->ms(0.5), level->ms(0.99), level->ms(1));
  return outcome;
}

Load of(Cost cost, int64_t due_ms, double factor = 2) {
  Load load;
  load.cost = cost;
  load.factor = factor;
  load.due = {due_ms == 0 ? kNever : due_ms * kMillisecond};
  load.options = base_options();
  return load;
}

TEST(OverloadInTime, ServesWhatCanStillFinish) {
  for (const double factor : {1.2, 2.0, 4.0})
    for (const int64_t due : {5, 20, 50, 200, 1000}) {
      SCOPED_TRACE(testing::Message()
                   << factor << " times the capacity, deadline " << due << " ms");
      Outcome outcome = offer(of({20 * kMicrosecond, 5 * kMicrosecond}, due, factor));
      const double more = factor > 2 ? 1.1 : 1;  // the queue grows faster than it is measured
      EXPECT_GE(outcome.goodput, 0.98);
      EXPECT_LE(outcome.normal.ms(0.99), static_cast<double>(due) / 2 * more);
      EXPECT_LE(outcome.high.ms(0.99), 1);
      EXPECT_LE(outcome.normal.shed + outcome.normal.expired, outcome.normal.asked / 100);
    }
}

// A model of Python's, and one of slow rows, whose batches take 8 ms.
TEST(OverloadInTime, HoldsForOtherCosts) {
  for (const Cost cost : {Cost{20 * kMicrosecond, 2 * kMillisecond}, Cost{kMillisecond, 0}})
    for (const int64_t due : {50, 200}) {
      SCOPED_TRACE(testing::Message() << cost.row_ns << " ns a row, " << cost.batch_ns
                                      << " ns a batch, deadline " << due << " ms");
      Outcome outcome = offer(of(cost, due));
      const double batches_ms = cost.batch_ns == 0 ? 2 * 8 : 0;
      EXPECT_GE(outcome.goodput, 0.98);
      EXPECT_LE(outcome.normal.ms(0.99), static_cast<double>(due) / 2 + batches_ms);
      EXPECT_EQ(outcome.normal.expired + outcome.normal.shed, 0u);
    }
}

TEST(OverloadInTime, RefusesNothingBelowTheCapacity) {
  for (const double factor : {0.5, 0.9})
    for (const int64_t due : {20, 50, 0}) {
      SCOPED_TRACE(testing::Message() << factor << ", " << due);
      const Outcome outcome = offer(of({20 * kMicrosecond, 5 * kMicrosecond}, due, factor));
      EXPECT_EQ(outcome.normal.refused + outcome.high.refused, 0u);
      EXPECT_EQ(outcome.normal.shed + outcome.normal.expired, 0u);
    }
}

// What the costs of the model alone don't tell is measured: that others take their turn, and that
// the machine gets slower.
TEST(OverloadInTime, KnowsOtherModelsAndASlowMachine) {
  for (const int64_t due : {20, 50}) {
    SCOPED_TRACE(testing::Message() << "deadline " << due << " ms");
    Load shared = of({20 * kMicrosecond, 5 * kMicrosecond}, due);
    shared.models = 2;
    Outcome outcome = offer(shared);
    EXPECT_GE(outcome.goodput, 0.98);
    EXPECT_LE(outcome.normal.ms(0.99), static_cast<double>(due) / 2);
    EXPECT_EQ(outcome.normal.expired, 0u);
    Load slow = of({20 * kMicrosecond, 5 * kMicrosecond}, due);
    slow.slower = 3;
    outcome = offer(slow);
    EXPECT_GE(outcome.goodput, 0.98 * (1.0 / 3 + 2.0 / 9));
    EXPECT_LE(outcome.normal.ms(0.9), static_cast<double>(due) / 2);
    EXPECT_LE(outcome.normal.expired, outcome.normal.asked / 100);
  }
}

// The machine takes the core away for some milliseconds now and then: what waits for it can be
// answered in time, and is not refused for what one stall makes rows seem to cost.
TEST(OverloadInTime, AStallMakesNothingSeemDear) {
  for (const double factor : {0.5, 0.8}) {
    Load load = of({20 * kMicrosecond, 5 * kMicrosecond}, 50, factor);
    load.stall_ns = 6 * kMillisecond;
    const Outcome outcome = offer(load);
    EXPECT_EQ(outcome.normal.refused + outcome.high.refused, 0u) << factor;
    EXPECT_EQ(outcome.normal.expired + outcome.normal.shed, 0u) << factor;
  }
}

// A machine that was slow for a while is asked again, although by what was measured nothing of a
// short deadline could be answered.
TEST(OverloadInTime, AMeasurementIsNotBelievedForGood) {
  Timeline line;
  line.load("m", {kMillisecond, 0}, base_options());
  Ask dated;
  dated.due_in_ns = 10 * kMillisecond;
  line.slower = 30;
  for (int i = 0; i < 20; ++i) {
    line.ask({});
    line.run_all();
  }
  line.slower = 1;
  EXPECT_EQ(line.ask(dated).admission.refusal, Refusal::kTooLate);
  size_t answered = 0;
  for (int i = 0; i < 100; ++i) {
    line.run_until(line.now() + 110 * kMillisecond);
    line.ask(dated);
    line.run_all();
    answered += line.asked.back()->ok;
  }
  EXPECT_GE(answered, 90u);
  line.run_until(line.now() + 20 * kMillisecond);
  EXPECT_TRUE(line.ask(dated).admission.ok());
}

// What ended while nobody asked is over, even if nothing came to see it end.
TEST(OverloadInTime, TheStateEndsByItself) {
  ModelOptions options = base_options();
  options.max_batch_size = 1;
  Timeline line;
  line.load("m", {kMillisecond, 0}, options);
  size_t refused = 0;
  for (int i = 0; i < 1000; ++i)
    line.at(line.now() + i * kMillisecond / 2, [&] { refused += !line.ask({}).admission.ok(); });
  line.run_all();
  EXPECT_GT(refused, 0u);
  line.run_until(line.now() + kSecond);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(line.ask({}).admission.ok());
  line.run_all();
}

// Many requests at once, of a time that is long enough for all of them, are no overload; nor are
// those that are asked while they drain, as long as they wait for no longer than they may.
TEST(OverloadInTime, ABurstWithinItsDeadlinesIsTakenWhole) {
  for (const int64_t due : {100, 1000, 5000}) {
    Timeline line;
    line.load("m", {50 * kMicrosecond, 0}, base_options());
    line.ask({});
    line.run_all();
    const int64_t begin = line.now();
    const int64_t rows = due * kMillisecond / 2 / (50 * kMicrosecond);
    for (int64_t i = 0; i < rows; ++i)  // as fast as a caller may ask
      line.at(begin + i * 2 * kMicrosecond, [&] {
        Ask ask;
        ask.due_in_ns = due * kMillisecond;
        line.ask(ask);
      });
    line.run_all();
    for (const auto& ask : line.asked) ASSERT_TRUE(ask->ok) << due;
  }
}

TEST(OverloadInTime, UndatedAndMixed) {
  Outcome outcome = offer(of({20 * kMicrosecond, 5 * kMicrosecond}, 0));
  EXPECT_GE(outcome.goodput, 0.98);
  Load mixed = of({20 * kMicrosecond, 5 * kMicrosecond}, 0);
  mixed.due = {20 * kMillisecond, 200 * kMillisecond};
  outcome = offer(mixed);
  EXPECT_GE(outcome.goodput, 0.98);
  mixed.due = {50 * kMillisecond, kNever};
  outcome = offer(mixed);
  EXPECT_GE(outcome.goodput, 0.98);
  mixed.due = {20 * kMillisecond, 200 * kMillisecond, 2 * kSecond, kNever};
  outcome = offer(mixed);
  EXPECT_GE(outcome.goodput, 0.98);
}

}  // namespace
}  // namespace spinney::engine::testing_world
