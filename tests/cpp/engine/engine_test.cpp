// The engine's door with real threads: every request is answered once, with its own rows' answers.
#include "spinney/engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

namespace spinney::engine {
namespace {

// Answers each row with twice its first number.
std::shared_ptr<const backend::Backend> doubler(size_t width = 3) {
  backend::CallableOptions options;
  options.width = width;
  options.shape = {1, ElementType::kFloat64};
  options.idempotent = true;
  return backend::make_callable(
      [](const backend::BatchInput& input, backend::BatchOutput& output) -> Status {
        for (size_t r = 0; r < input.rows.count; ++r)
          static_cast<double*>(output.data)[r] = 2 * input.rows.at(r, 0);
        return {};
      },
      options);
}

struct Slot {
  std::atomic<int> replies{0};
  double answer = 0;
  Code code{};
  bool failed = false;
};

class Collector : public Completion {
 public:
  explicit Collector(bool blocks) : blocks_(blocks) {}
  bool may_block() const override { return blocks_; }
  void finish(std::span<Finished> finished) noexcept override {
    for (Finished& f : finished) {
      auto* slot = static_cast<Slot*>(f.context);
      slot->failed = f.error != nullptr;
      if (f.error)
        slot->code = f.error->code;
      else
        std::memcpy(&slot->answer, f.answer.data, sizeof(double));
      slot->replies.fetch_add(1);
    }
  }

 private:
  bool blocks_;
};

class EngineTest : public testing::TestWithParam<bool> {};

TEST_P(EngineTest, AnswersEveryRequestWithItsOwnRow) {
  Collector collector(GetParam());
  auto engine = Engine::make({}).value();
  ASSERT_TRUE(engine->load("m", "1", doubler()).ok());
  std::vector<Slot> slots(1000);
  for (size_t i = 0; i < slots.size(); ++i) {
    const float row[3] = {static_cast<float>(i), 0, 0};
    Request request;
    request.rows = dense_rows(row, 1, 3);
    request.completion = &collector;
    request.context = &slots[i];
    ASSERT_TRUE(engine->submit(request).ok());
  }
  ASSERT_TRUE(engine->drain(10 * kSecond));
  engine->stop(kSecond);
  for (size_t i = 0; i < slots.size(); ++i) {
    EXPECT_EQ(slots[i].replies, 1);
    EXPECT_EQ(slots[i].answer, 2.0 * static_cast<double>(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Completions, EngineTest, testing::Bool());

TEST(EngineRefusals, SayWhatDoesNotFit) {
  Collector collector(false);
  auto engine = Engine::make({}).value();
  ASSERT_TRUE(engine->load("m", "1", doubler()).ok());
  Slot slot;
  const float row[4] = {};
  Request request;
  request.completion = &collector;
  request.context = &slot;
  request.rows = dense_rows(row, 1, 4);
  EXPECT_EQ(engine->submit(request).error().message,
            "the rows have 4 columns, but the model was trained on 3 features");
  request.rows = dense_rows(row, 1, 3);
  request.kind = AnswerKind::kProba;
  EXPECT_EQ(engine->submit(request).refusal, Refusal::kKind);
  request.kind = AnswerKind::kValues;
  request.model = "other";
  EXPECT_EQ(engine->submit(request).refusal, Refusal::kUnknownModel);
  request.model = "m";
  request.deadline_ns = engine->now_ns() - 1;
  EXPECT_EQ(engine->submit(request).refusal, Refusal::kExpired);
  EXPECT_EQ(slot.replies, 0);
}

}  // namespace
}  // namespace spinney::engine
