// What the bounds of docs/overload.md say of requests of several types and sizes, of batches that
// fail, and of deadlines.
#include <gtest/gtest.h>

#include <array>

#include "engine/timeline.h"

namespace spinney::engine::testing_world {
namespace {

constexpr std::array<uint64_t, kPriorities> kWeights = {81, 27, 9, 3, 1};

ModelOptions never_shed() {
  ModelOptions options;
  options.shed_target_ns = 0;
  options.single_flight = false;
  options.adaptive_batch_size = false;
  return options;
}

Ask of(Priority priority, size_t rows = 1, bool doubles = false) {
  Ask ask;
  ask.priority = priority;
  ask.rows = rows;
  ask.doubles = doubles;
  return ask;
}

// Critical requests of both types always wait, and low ones that could fill every batch.
void keep_waiting(Timeline& line, int low) {
  line.on_told = [&line](Ask& told) {
    if (told.ok && told.priority != Priority::kNormal && line.asked.size() < 100'000)
      line.ask(of(told.priority, 1, told.doubles));
  };
  for (int i = 0; i < 6; ++i) line.ask(of(Priority::kCritical, 1, i % 2 == 1));
  for (int i = 0; i < low; ++i) line.ask(of(Priority::kLow));
}

TEST(Order, ALongRequestIsServedWithinItsBoundBesideOnesOfBothTypes) {
  Timeline line;
  line.load("m", {20 * kMicrosecond, 0}, never_shed());
  keep_waiting(line, 500);
  line.run_until(line.now() + kSecond / 2);
  const Ask& normal = line.ask(of(Priority::kNormal, 64));
  line.run_until(line.now() + 10 * kSecond);
  ASSERT_TRUE(normal.ok);
  // (81 + 3) / 9 rows for each of its own, a piece of each, and the batch that ran.
  EXPECT_LE(normal.rows_told - normal.rows_before, (81 + 3) * 64 / 9 + 3 * 64u);
}

TEST(Order, SpareRoomDoesNotTakeMoreThanTheShare) {
  Timeline line;
  line.load("m", {20 * kMicrosecond, 0}, never_shed());
  keep_waiting(line, 500);
  line.run_until(line.now() + kSecond);
  std::array<uint64_t, kPriorities> rows{};
  for (const auto& ask : line.asked)
    if (ask->ok) rows[static_cast<size_t>(ask->priority)] += ask->rows;
  EXPECT_GT(rows[3], 0u);
  EXPECT_LE(rows[3], rows[0] * kWeights[3] / kWeights[0] + 2 * 64);
}

// Where a batch costs much whatever its rows, others fill it as far as they at most double it.
TEST(Order, SpareRoomIsFilledWhereItCostsLittle) {
  Timeline line;
  line.load("m", {10 * kMicrosecond, 200 * kMicrosecond}, never_shed());
  for (size_t rows : {1, 2, 4, 8, 16, 32, 64, 1, 2, 4, 8, 16}) {  // so that costs are known
    line.ask(of(Priority::kNormal, rows));
    line.run_all();
  }
  keep_waiting(line, 500);
  const size_t before = line.batches.size();
  line.run_until(line.now() + kSecond / 2);
  size_t most = 0;
  for (size_t i = before; i < line.batches.size(); ++i) most = std::max(most, line.batches[i].rows);
  EXPECT_GE(most, 15u);
  EXPECT_LE(most, 32u);
}

TEST(Order, HalvesOfAFailedBatchWaitForTheirTurnAndArePaidFor) {
  Timeline line;
  line.load("m", {kMicrosecond, 100 * kMicrosecond}, never_shed());
  for (int i = 0; i < 64; ++i) {
    Ask poison = of(Priority::kBackground);
    poison.value = -1 - i;
    line.ask(poison);
  }
  Ask* critical = nullptr;
  line.at(line.now() + 150 * kMicrosecond, [&] { critical = &line.ask(of(Priority::kCritical)); });
  line.run_all();
  ASSERT_TRUE(critical && critical->ok);
  size_t calls = 0;
  for (const auto& batch : line.batches)
    calls += batch.began_ns >= critical->asked_ns && batch.began_ns < critical->told_ns;
  EXPECT_LE(calls, 1u);  // its own: the one that ran when it came had begun before
  EXPECT_EQ(line.engine().stats().requests.failed, 64u);

  // Of background rows that fail and normal ones that don't, each gets its share of the calls'
  // rows.
  const uint64_t first = line.rows_run;
  for (int i = 0; i < 64; ++i) {
    Ask poison = of(Priority::kBackground);
    poison.value = -100 - i;
    line.ask(poison);
  }
  line.run_until(line.now() + 50 * kMicrosecond);
  line.on_told = [&](Ask& told) {
    if (told.priority == Priority::kNormal && line.rows_run < first + 9000)
      line.ask(of(Priority::kNormal));
  };
  line.ask(of(Priority::kNormal));
  line.run_until(line.now() + kSecond);
  uint64_t background = 0, normal = 0;
  for (const auto& batch : line.batches) (batch.value < -99 ? background : normal) += batch.rows;
  EXPECT_GE(normal, 9 * (background - 2 * 64) / 2);
}

TEST(Order, RequestsOfAnotherLevelAreToldApartFirst) {
  Timeline line;
  line.load("m", {kMicrosecond, 100 * kMicrosecond}, never_shed());
  Ask* critical = nullptr;
  for (int i = 0; i < 60; ++i) {
    Ask poison = of(Priority::kBackground);
    poison.value = -1 - i;
    line.ask(poison);
  }
  critical = &line.ask(of(Priority::kCritical));
  line.run_all();
  ASSERT_TRUE(critical->ok);
  EXPECT_EQ(line.batches[0].rows, 61u);
  EXPECT_EQ(line.batches[1].rows, 1u);
  EXPECT_EQ(critical->rows_told, 62u);
}

// A critical request that equals one of a failed batch brings the half with it forward.
TEST(Order, AFollowerBringsHalvesForward) {
  ModelOptions options = never_shed();
  options.single_flight = true;
  Timeline line;
  line.load("m", {kMicrosecond, 100 * kMicrosecond}, options);
  for (int i = 0; i < 64; ++i) {
    Ask ask = of(Priority::kBackground);
    ask.value = i == 0 ? -1 : i;
    line.ask(ask);
  }
  Ask* equal = nullptr;
  line.at(line.now() + 200 * kMicrosecond, [&] {
    for (int i = 0; i < 640; ++i) {
      Ask normal = of(Priority::kNormal);
      normal.value = 1000 + i;
      line.ask(normal);
    }
    Ask same = of(Priority::kCritical);
    same.value = 63;
    equal = &line.ask(same);
  });
  line.run_all();
  ASSERT_TRUE(equal && equal->ok);
  size_t calls = 0;
  for (const auto& batch : line.batches)
    calls += batch.began_ns >= equal->asked_ns && batch.began_ns < equal->told_ns;
  EXPECT_LE(calls, 1u);
}

TEST(Order, AFarDeadlineNeverRanksBehindALaterUndatedRequest) {
  ModelOptions options = never_shed();
  options.max_batch_size = 1;
  Timeline line;
  line.load("m", {kMillisecond, 0}, options);
  line.ask(of(Priority::kNormal));
  Ask dated = of(Priority::kNormal);
  dated.due_in_ns = 10 * kSecond;
  const Ask& far = line.ask(dated);
  line.run_until(line.now() + 1);
  const Ask& later = line.ask(of(Priority::kNormal));
  line.run_all();
  ASSERT_TRUE(far.ok && later.ok);
  EXPECT_LT(far.told_ns, later.told_ns);
}

class TooLate : public ::testing::Test {
 protected:
  // 150 rows of a millisecond each, due whenever.
  void wait_behind(int64_t due_in_ns) {
    ModelOptions options = never_shed();
    options.max_batch_size = 1;
    line.load("m", {kMillisecond, 0}, options);
    for (int i = 0; i < 20; ++i) line.ask(of(Priority::kNormal));  // so that costs are known
    line.run_all();
    for (int i = 0; i < 150; ++i) EXPECT_TRUE(ask(due_in_ns).admission.ok());
  }
  Ask& ask(int64_t due_in_ns, Priority priority = Priority::kNormal) {
    Ask ask = of(priority);
    ask.due_in_ns = due_in_ns;
    return line.ask(ask);
  }
  Timeline line;
};

TEST_F(TooLate, CountsNoUndatedRequestsThatWouldBeOvertaken) {
  wait_behind(kNever);
  const Ask& urgent = ask(150 * kMillisecond);
  const Ask& soon = ask(10 * kMillisecond);
  EXPECT_TRUE(urgent.admission.ok());
  EXPECT_TRUE(soon.admission.ok());
  line.run_all();
  EXPECT_TRUE(urgent.ok);
  EXPECT_TRUE(soon.ok);
}

TEST_F(TooLate, CountsNoRequestsThatAreDueLater) {
  wait_behind(500 * kMillisecond);
  EXPECT_EQ(ask(600 * kMillisecond).admission.ok(), true);
  EXPECT_EQ(ask(kMillisecond / 2).admission.refusal, Refusal::kTooLate);  // for its own run
  const Ask& urgent = ask(20 * kMillisecond);
  EXPECT_TRUE(urgent.admission.ok());
  line.run_all();
  EXPECT_TRUE(urgent.ok);
}

TEST_F(TooLate, CountsThoseThatAreDueEarlier) {
  wait_behind(200 * kMillisecond);
  EXPECT_TRUE(ask(160 * kMillisecond).admission.ok());
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ask(150 * kMillisecond).admission.ok());
  EXPECT_EQ(ask(230 * kMillisecond).admission.refusal, Refusal::kTooLate);
  EXPECT_TRUE(ask(300 * kMillisecond).admission.ok());
}

TEST_F(TooLate, CountsUndatedRequestsThatAreDueByTheirAge) {
  wait_behind(kNever);
  line.run_until(line.now() + 2 * kMillisecond);
  EXPECT_EQ(ask(100 * kSecond).admission.ok(), true);
  // Its order is that of an undated one, so all that came before it are served before it.
  EXPECT_TRUE(ask(10 * kMillisecond).admission.ok());
  line.run_all();
}

// A batch that is held is run early enough for the deadline that ends the wait, whatever it costs.
TEST(Order, AHeldBatchMeetsTheDeadlinesThatItCan) {
  ModelOptions options = never_shed();
  options.min_batch_size = 16;
  options.max_batch_size = 16;
  options.batch_timeout_ns = kSecond;
  Timeline line;
  line.load("m", {kMillisecond, 3 * kMillisecond}, options);
  for (int i = 0; i < 160; ++i) line.ask(of(Priority::kNormal));  // so that costs are known
  line.run_all();
  for (const int64_t due : {40, 25, 15, 12}) {
    Ask dated = of(Priority::kNormal);
    dated.due_in_ns = due * kMillisecond;
    const Ask& one = line.ask(dated);
    line.run_all();
    EXPECT_TRUE(one.ok) << due;
    EXPECT_GT(one.began_ns, one.asked_ns) << due;
  }
}

}  // namespace
}  // namespace spinney::engine::testing_world
