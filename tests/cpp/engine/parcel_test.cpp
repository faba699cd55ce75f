// Requests that carry a parcel: which of them share a batch, what each is answered, and what is
// refused.
#include "spinney/request/parcel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/asking.h"
#include "spinney/engine/engine.h"

namespace spinney::engine {
namespace {

struct Text : Parcel {
  Text(std::string given, size_t n, int of_kind = 0)
      : text(std::move(given)), count(n), kind(of_kind) {}
  size_t rows() const noexcept override { return count; }
  size_t bytes() const noexcept override { return text.size(); }
  bool comparable() const noexcept override { return true; }
  uint64_t hash() const noexcept override { return 3; }  // all of them collide
  bool equals(const Parcel& other) const noexcept override {
    return text == static_cast<const Text&>(other).text;
  }
  uint64_t signature() const noexcept override { return static_cast<uint64_t>(kind); }
  bool joins(const Parcel& other) const noexcept override {
    return kind >= 0 && kind == static_cast<const Text&>(other).kind;
  }
  std::string text;
  size_t count;
  int kind;  // below 0: joins none
};
struct Foreign : Parcel {
  size_t bytes() const noexcept override { return 0; }
};

struct Told {
  bool done = false;
  bool shared = false;
  std::string answer;  // of the batch's object
  std::string fault;
  std::vector<double> numbers;
};

// Answers each parcel with its text turned round; fails those that begin with "bad" alone, and the
// batch that holds a "poison".
class World : public Asking<Told> {
 public:
  explicit World(bool idempotent = false, size_t columns = 0, size_t max_batch_size = 64)
      : Asking(with_a_cache()) {
    backend::CallableOptions given;
    given.width = 1;
    given.shape = {columns, ElementType::kFloat64};
    given.idempotent = idempotent;
    given.takes = [](const Parcel& parcel) {
      return dynamic_cast<const Text*>(&parcel) != nullptr;
    };
    ModelOptions options;
    options.warm_up = false;
    options.max_batch_size = max_batch_size;
    options.adaptive_batch_size = false;
    auto backend = backend::make_callable(
        [this](const backend::BatchInput& input, backend::BatchOutput& output) {
          return score(input, output);
        },
        given);
    EXPECT_TRUE(engine->load("m", "", std::move(backend), options).ok());
  }
  Told& ask(std::shared_ptr<const Parcel> parcel, Priority priority = Priority::kNormal) {
    Request request;
    request.parcel = std::move(parcel);
    request.priority = priority;
    return submit(request);
  }
  Told& ask(const std::string& text, size_t rows = 1, int kind = 0) {
    return ask(std::make_shared<Text>(text, rows, kind));
  }

  std::vector<std::vector<std::string>> batches;
  size_t rows_run = 0;

 private:
  static EngineOptions with_a_cache() {
    EngineOptions options;
    options.cache_entries = 4;  // parcels are not cached
    return options;
  }
  void tell(Told& mine, const Finished& one) noexcept override {
    if (one.error) {
      mine.fault = one.error->message;
      if (one.answer.object) mine.answer = *static_cast<std::string*>(one.answer.object.get());
      return;
    }
    if (one.answer.object)
      mine.answer = static_cast<std::vector<std::string>*>(one.answer.object.get())
                        ->at(one.answer.object_row);
    const auto* numbers = static_cast<const double*>(one.answer.data);
    if (numbers) mine.numbers.assign(numbers, numbers + one.answer.rows);
  }
  Status score(const backend::BatchInput& input, backend::BatchOutput& output) {
    EXPECT_TRUE(input.items.empty() || input.rows.count == 0);
    batches.emplace_back();
    rows_run += input.rows.count;
    auto answers = std::make_shared<std::vector<std::string>>();
    auto* numbers = static_cast<double*>(output.data);
    for (size_t r = 0; r < input.rows.count && numbers; ++r) *numbers++ = -input.rows.at(r, 0);
    bool poison = false;
    for (size_t i = input.items.size(); i-- > 0;) {  // item errors may come in any order
      const auto& parcel = static_cast<const Text&>(*input.items[i].parcel);
      if (parcel.text.rfind("bad", 0) == 0)
        output.item_errors.push_back({i, Error{Code::kInvalidArgument, parcel.text},
                                      std::make_shared<std::string>("why " + parcel.text)});
    }
    for (const backend::Item& item : input.items) {
      const auto& parcel = static_cast<const Text&>(*item.parcel);
      EXPECT_EQ(item.rows, parcel.count);
      batches.back().push_back(parcel.text);
      answers->emplace_back(parcel.text.rbegin(), parcel.text.rend());
      for (size_t r = 0; r < item.rows && numbers; ++r)
        *numbers++ = static_cast<double>(parcel.text.size() * 100 + r);
      poison |= parcel.text == "poison";
      rows_run += item.rows;
    }
    if (poison) return Error{Code::kInternal, "poisoned"};
    if (!input.items.empty()) output.object = answers;
    return {};
  }
};

using Batches = std::vector<std::vector<std::string>>;

TEST(Parcels, ShareABatchAndAreAnsweredOneByOne) {
  World world;
  const Told& first = world.ask("abc");
  const Told& second = world.ask("de", 5);
  const Told& third = world.ask("f");
  world.run();
  EXPECT_EQ(world.batches, (Batches{{"abc", "de", "f"}}));
  EXPECT_EQ(first.answer, "cba");
  EXPECT_EQ(second.answer, "ed");  // by the number of the item, whatever rows came before
  EXPECT_EQ(third.answer, "f");
  EXPECT_EQ(world.engine->models()[0].batch_rows, 7u);
}

TEST(Parcels, AnswersMayBeNumbersOfAsManyRows) {
  World world(false, 1);
  const Told& first = world.ask("abc", 2);
  const Told& second = world.ask("d");
  world.run();
  EXPECT_EQ(first.numbers, (std::vector<double>{300, 301}));
  EXPECT_EQ(second.numbers, (std::vector<double>{100}));
}

TEST(Parcels, ThoseThatDoNotJoinRunApart) {
  World world;
  for (const int kind : {0, 1, 8, 0, -1, 1, 8, -1, 0})  // 8 shares a class with 0
    world.ask(std::to_string(kind), 1, kind);
  world.run();
  size_t asked = 0;
  for (const auto& batch : world.batches) {
    for (const auto& text : batch) EXPECT_EQ(text, batch[0]);
    if (batch[0] == "-1") {
      EXPECT_EQ(batch.size(), 1u);
    }
    asked += batch.size();
  }
  EXPECT_EQ(asked, 9u);
  // Those of another class do not come between.
  EXPECT_NE(
      std::find(world.batches.begin(), world.batches.end(), (std::vector<std::string>{"1", "1"})),
      world.batches.end());
}

TEST(Parcels, OfMoreRowsThanABatchMayHaveRunWhole) {
  World world(false, 1, 4);
  const Told& large = world.ask("large", 10);
  world.ask("small");
  world.run();
  EXPECT_EQ(world.batches, (Batches{{"large"}, {"small"}}));
  EXPECT_EQ(large.numbers.size(), 10u);
}

TEST(Parcels, RowsAndParcelsRunApart) {
  World world(false, 1);
  world.ask("abc");
  const double row = 3;
  Request request;
  request.rows = dense_rows(&row, 1, 1);
  request.completion = &world;
  Told rows;
  request.context = &rows;
  ASSERT_TRUE(world.engine->submit(request).ok());
  world.ask("de");
  world.run();
  EXPECT_EQ(world.batches, (Batches{{"abc", "de"}, {}}));
  EXPECT_EQ(rows.numbers, (std::vector<double>{-3}));
}

TEST(Parcels, OneThatFailsByItselfFailsNoOther) {
  for (const bool idempotent : {false, true}) {
    World world(idempotent);
    const Told& good = world.ask("good");
    const Told& bad = world.ask("bad one");
    const Told& worse = world.ask("bad two");
    const Told& last = world.ask("last");
    world.run();
    EXPECT_EQ(world.batches.size(), 1u);  // nothing is tried again
    EXPECT_EQ(good.answer, "doog");
    EXPECT_EQ(last.answer, "tsal");
    EXPECT_EQ(bad.fault, "bad one");
    EXPECT_EQ(bad.answer, "why bad one");
    EXPECT_EQ(worse.fault, "bad two");
    const RequestCounts counts = world.engine->stats().requests;
    EXPECT_EQ(counts.failed, 2u);
    EXPECT_EQ(counts.answered, 2u);
  }
}

TEST(Parcels, ABatchThatFailsIsHalvedAsOneOfRowsIs) {
  World world(true);
  const Told& good = world.ask("good");
  const Told& poison = world.ask("poison");
  world.ask("x");
  world.ask("y");
  world.run();
  EXPECT_EQ(good.answer, "doog");
  EXPECT_EQ(poison.fault, "poisoned");
  EXPECT_EQ(
      world.batches,
      (Batches{
          {"good", "poison", "x", "y"}, {"good", "poison"}, {"good"}, {"poison"}, {"x", "y"}}));
}

// All hashes are equal, so that whole parcels must have been compared.
TEST(Parcels, EqualOnesInFlightRunOnce) {
  World world(true);
  const Told& first = world.ask("abc");
  const Told& other = world.ask("abd");
  const Told& same = world.ask("abc");
  world.run();
  EXPECT_EQ(world.batches, (Batches{{"abc", "abd"}}));
  EXPECT_FALSE(first.shared);
  EXPECT_TRUE(same.shared);
  EXPECT_EQ(same.answer, "cba");
  EXPECT_EQ(other.answer, "dba");
  world.ask("abc");  // and later ones run again: there is no cache of them
  world.run();
  EXPECT_EQ(world.batches.size(), 2u);
}

TEST(Parcels, AreTakenByThoseThatKnowThemOnly) {
  World world;
  const double row = 1;
  Request request;
  request.completion = &world;
  request.parcel = std::make_shared<Foreign>();
  Admission admission = world.engine->submit(request);
  EXPECT_EQ(admission.refusal, Refusal::kInput);
  EXPECT_EQ(admission.code(), Code::kUnsupported);
  EXPECT_NE(admission.error().message.find("another kind"), std::string::npos);
  request.parcel = std::make_shared<Text>("abc", 1);
  request.rows = dense_rows(&row, 1, 1);
  admission = world.engine->submit(request);
  EXPECT_EQ(admission.refusal, Refusal::kInput);
  EXPECT_NE(admission.error().message.find("both"), std::string::npos);
  request.rows = {};
  request.parcel = std::make_shared<Text>("abc", 0);
  EXPECT_EQ(world.engine->submit(request).refusal, Refusal::kNoRows);

  backend::CallableOptions options;
  options.takes_rows = false;
  options.takes = [](const Parcel&) { return true; };
  auto backend = backend::make_callable(
      [](const backend::BatchInput&, backend::BatchOutput&) { return Status{}; }, options);
  ASSERT_TRUE(world.engine->load("parcels only", "", std::move(backend), {}).ok());
  request.model = "parcels only";
  request.parcel.reset();
  request.rows = dense_rows(&row, 1, 1);
  admission = world.engine->submit(request);
  EXPECT_EQ(admission.refusal, Refusal::kInput);
  EXPECT_NE(admission.error().message.find("parcels of its own kind"), std::string::npos);
}

}  // namespace
}  // namespace spinney::engine
