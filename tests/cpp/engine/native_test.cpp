// Native models through the engine give what Model gives, to the bit; warm-up reaches every kernel;
// reloads leave no memory behind.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include "../kernel/random_forest.h"
#include "spinney/engine/engine.h"
#include "spinney/spinney.h"

namespace spinney::engine {
namespace {

Model model_of(NumberType type, uint32_t outputs) {
  testing::ForestShape shape;
  shape.name = "served";
  shape.input = shape.accumulator = type;
  shape.n_outputs = outputs;
  DescriptionParts description;
  description.scorer = testing::ForestMaker(shape, 7).make();
  Output& output = description.output;
  output.value_type = type;
  output.has_probabilities = true;
  output.decision = Decision::kArgmax;
  Labels labels;
  labels.values = std::vector<int64_t>{10, 20, 30};
  output.labels.push_back(std::move(labels));
  output.link.kind = LinkKind::kPairwiseSoftmax;
  return Model::make(std::make_shared<const Description>(make_description(description).value()))
      .value();
}

std::vector<char> by_model(const Model& model, AnswerKind kind, const Rows& rows,
                           const AnswerShape& shape) {
  std::vector<char> out(rows.count * shape.row_bytes());
  Status status;
  if (kind == AnswerKind::kValues) status = model.predict_values(rows, out.data());
  if (kind == AnswerKind::kProba) status = model.predict_proba(rows, out.data());
  if (kind == AnswerKind::kRaw) status = model.predict_raw(rows, out.data());
  if (kind == AnswerKind::kClasses)
    status = model.predict_classes(rows, reinterpret_cast<int32_t*>(out.data()));
  EXPECT_TRUE(status.ok());
  return out;
}

// Keeps each answer's bytes; the context is where they go.
class Keeping : public Completion {
 public:
  bool may_block() const override { return false; }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& f : finished) {
      auto* out = static_cast<std::vector<char>*>(f.context);
      if (!f.error) std::memcpy(out->data(), f.answer.data, out->size());
      failures += f.error != nullptr;
    }
  }
  std::atomic<size_t> failures{0};
};

template <typename Real>
void compare(NumberType type) {
  const Model model = model_of(type, 3);
  const auto native = backend::make_native(model.shared_description(), model.shared_plan());
  auto engine = Engine::make({}).value();
  ASSERT_TRUE(engine->load("m", "1", native).ok());
  const size_t width = model.n_features();
  testing::Random random(3);
  std::vector<Real> rows(500 * width);
  for (Real& value : rows)
    value =
        random.chance(0.05) ? static_cast<Real>(std::nan("")) : static_cast<Real>(random.normal());
  for (size_t k = 0; k < kAnswerKinds; ++k) {
    const auto kind = static_cast<AnswerKind>(k);
    SCOPED_TRACE(name_of(kind));
    const auto shape = native->answer(kind);
    ASSERT_TRUE(shape.ok()) << shape.error().message;
    Keeping keeping;
    std::vector<std::vector<char>> got;
    std::vector<Rows> asked;
    for (size_t at = 0; at < 500;) {  // requests of one to 150 rows
      const size_t n = std::min<size_t>(500 - at, at % 5 == 0 ? 150 : 1 + at % 3);
      asked.push_back(dense_rows(rows.data() + at * width, n, width));
      got.emplace_back(n * shape->row_bytes());
      at += n;
    }
    for (size_t i = 0; i < asked.size(); ++i) {
      Request request;
      request.rows = asked[i];
      request.kind = kind;
      request.completion = &keeping;
      request.context = &got[i];
      ASSERT_TRUE(engine->submit(request).ok());
    }
    ASSERT_TRUE(engine->drain(20 * kSecond));
    engine->resume();
    EXPECT_EQ(keeping.failures, 0u);
    for (size_t i = 0; i < asked.size(); ++i)
      ASSERT_EQ(got[i], by_model(model, kind, asked[i], *shape)) << "request " << i;
  }
  engine->stop(kSecond);
}

TEST(EngineNative, GivesTheModelsOwnAnswersToFloats) { compare<float>(NumberType::kFloat32); }
TEST(EngineNative, GivesTheModelsOwnAnswersToDoubles) { compare<double>(NumberType::kFloat64); }

// Notes for how many rows it was asked.
class Noting final : public backend::Backend {
 public:
  explicit Noting(std::shared_ptr<const backend::Backend> native) : native_(std::move(native)) {}
  size_t width() const override { return native_->width(); }
  bool idempotent() const override { return true; }
  Result<AnswerShape> answer(AnswerKind kind) const override { return native_->answer(kind); }
  std::vector<size_t> warm_up_rows(size_t rows_max) const override {
    return native_->warm_up_rows(rows_max);
  }
  Status score(const backend::BatchInput& input, backend::BatchOutput& output) const override {
    ++asked[input.rows.count];
    return native_->score(input, output);
  }
  mutable std::map<size_t, size_t> asked;

 private:
  std::shared_ptr<const backend::Backend> native_;
};

TEST(EngineNative, WarmUpRunsEveryKernelOfThePlan) {
  const Model model = model_of(NumberType::kFloat32, 3);
  const auto noting = std::make_shared<Noting>(
      backend::make_native(model.shared_description(), model.shared_plan()));
  auto engine = Engine::make({}).value();
  ModelOptions options;
  options.max_batch_size = 256;
  options.warm_up_iterations = 2;
  ASSERT_TRUE(engine->load("m", "1", noting, options).ok());
  for (const plan::KernelChoice& choice : model.plan().choices())
    if (choice.rows > 0 && choice.rows <= 256) {
      EXPECT_EQ(noting->asked[choice.rows], 2u) << choice.kernel;
    }
  EXPECT_EQ(noting->asked[1], 2u);
  EXPECT_EQ(noting->asked[256], 2u);
  noting->asked.clear();
  options.warm_up = false;
  ASSERT_TRUE(engine->load("m", "2", noting, options).ok());
  EXPECT_TRUE(noting->asked.empty());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose allocators say nothing
TEST(EngineNative, AThousandReloadsLeaveNoMemoryBehind) {
  const auto held = [] { return mallinfo2().uordblks + mallinfo2().hblkhd; };
  const Model model = model_of(NumberType::kFloat32, 3);
  auto engine = Engine::make({}).value();
  Keeping keeping;
  std::vector<char> answer(3 * sizeof(float));
  const std::vector<float> row(model.n_features(), 0.5f);
  std::weak_ptr<const plan::Plan> last;
  size_t before = 0;
  for (int i = 0; i < 1'100; ++i) {
    const auto plan = plan::make_plan(model.shared_description()).value();
    EXPECT_LE(last.use_count(), 1);  // the one that still serves, and none before it
    last = plan;
    ASSERT_TRUE(engine->load("m", "", backend::make_native(model.shared_description(), plan)).ok());
    Request request;
    request.rows = dense_rows(row.data(), 1, row.size());
    request.completion = &keeping;
    request.context = &answer;
    ASSERT_TRUE(engine->submit(request).ok());
    if (i % 100 == 99) {
      ASSERT_TRUE(engine->drain(20 * kSecond));
      engine->resume();
      engine->tick();  // lets go of what was replaced
      if (i == 99) before = held();
    }
  }
  // A model that stays behind holds some 60 KiB, a thousand of them 60 MiB. Workers let go of what
  // was replaced when they next look, which may be a moment later.
  const size_t allowed = before + (size_t{2} << 20);
  for (int i = 0; i < 10'000 && held() >= allowed; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    engine->tick();
  }
  EXPECT_LT(held(), allowed);
  EXPECT_EQ(keeping.failures, 0u);
  EXPECT_EQ(engine->models().size(), 1u);
  engine->stop(kSecond);
}
#endif

}  // namespace
}  // namespace spinney::engine
