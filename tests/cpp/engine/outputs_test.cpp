// Requests for outputs by name: several of a native model from one pass, texts and integers of a
// function, of large requests and of equal ones; and names that no model has.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../kernel/random_forest.h"
#include "engine/asking.h"
#include "spinney/engine/engine.h"
#include "spinney/spinney.h"

namespace spinney::engine {
namespace {

using Names = std::vector<std::string_view>;

struct Told {
  bool done = false;
  bool shared = false;
  bool from_cache = false;
  std::string fault;
  std::vector<std::string> order;
  std::map<std::string, std::vector<char>> numbers;
  std::map<std::string, std::vector<std::string>> texts;
};

class AskingByName : public Asking<Told> {
 public:
  using Asking::Asking;
  Told& ask(const Rows& rows, const Names& names, AnswerKind kind = AnswerKind::kValues) {
    Request request;
    request.rows = rows;
    request.outputs = names;
    request.kind = kind;
    return submit(request);
  }

 private:
  void tell(Told& mine, const Finished& one) noexcept override {
    mine.from_cache = one.from_cache;
    if (one.error) {
      mine.fault = one.error->message;
      EXPECT_EQ(one.answer.tensors(), 0u);
      return;
    }
    for (size_t i = 0; i < one.answer.tensors(); ++i) {
      const Tensor tensor = one.answer.tensor(i);
      const std::string name(tensor.name);
      mine.order.push_back(name);
      const auto* bytes = static_cast<const char*>(tensor.data);
      if (tensor.shape.type == ElementType::kString)
        mine.texts[name].assign(tensor.strings,
                                tensor.strings + one.answer.rows * tensor.shape.columns);
      else
        mine.numbers[name].assign(bytes, bytes + one.answer.rows * tensor.shape.row_bytes());
      EXPECT_EQ(one.answer.tensor(tensor.name)->data, tensor.data);
    }
    EXPECT_FALSE(one.answer.tensor("no such").has_value());
  }
};

Model model_of(LinkKind link, uint32_t n, bool on_raw) {
  testing::ForestShape shape;
  shape.name = "served";
  shape.input = shape.accumulator = NumberType::kFloat32;
  shape.n_outputs = n;
  DescriptionParts description;
  description.scorer = testing::ForestMaker(shape, 7).make();
  Output& output = description.output;
  output.value_type = NumberType::kFloat32;
  output.has_probabilities = true;
  output.decision = n == 1 ? Decision::kThreshold : Decision::kArgmax;
  output.decision_on_raw = on_raw;
  Labels labels;
  labels.values = n == 1 ? std::vector<int64_t>{10, 20} : std::vector<int64_t>{10, 20, 30};
  output.labels.push_back(std::move(labels));
  output.link.kind = link;
  auto made = make_description(description);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return Model::make(std::make_shared<const Description>(std::move(made).value())).value();
}

// Asked for by themselves, all together, and in a pair, in requests of few rows and of many.
void compare(const Model& model) {
  AskingByName asking;
  ASSERT_TRUE(
      asking.engine
          ->load("m", "", backend::make_native(model.shared_description(), model.shared_plan()))
          .ok());
  const auto outputs = asking.engine->outputs("m").value();
  ASSERT_EQ(outputs.size(), 4u);
  testing::Random random(3);
  const size_t width = model.n_features();
  std::vector<float> rows(200 * width);
  for (float& value : rows)
    value = random.chance(0.05) ? std::nanf("") : static_cast<float>(random.normal());
  for (const size_t count : {size_t{1}, size_t{3}, size_t{150}}) {
    const Rows asked = dense_rows(rows.data(), count, width);
    const Told& all = asking.ask(asked, {"raw", "values", "classes", "proba"});
    const Told& pair = asking.ask(dense_rows(rows.data() + width, count, width), {"proba", "raw"});
    std::vector<const Told*> alone;
    for (size_t k = 0; k < kAnswerKinds; ++k)
      alone.push_back(&asking.ask(asked, {}, static_cast<AnswerKind>(k)));
    const Told& named = asking.ask(asked, {"classes"});
    asking.run();
    EXPECT_EQ(all.order, (std::vector<std::string>{"values", "proba", "classes", "raw"}));
    EXPECT_EQ(pair.order, (std::vector<std::string>{"proba", "raw"}));
    for (size_t k = 0; k < kAnswerKinds; ++k) {
      const std::string name(output_of(static_cast<AnswerKind>(k)));
      ASSERT_EQ(alone[k]->order, (std::vector<std::string>{name}));
      EXPECT_EQ(all.numbers.at(name), alone[k]->numbers.at(name)) << name << " of " << count;
    }
    EXPECT_EQ(named.numbers, alone[2]->numbers);
    EXPECT_TRUE(named.shared) << "what is asked for by name is the same as by kind";
  }
}

TEST(Outputs, OfANativeModelHaveTheBitsThatEachHasByItself) {
  for (const LinkKind link : {LinkKind::kIdentity, LinkKind::kPairwiseSoftmax, LinkKind::kSoftmax,
                              LinkKind::kNormalize, LinkKind::kExpitNormalize})
    for (const bool on_raw : {false, true}) compare(model_of(link, 3, on_raw));
  compare(model_of(LinkKind::kExpit, 1, false));  // probabilities have two columns, values one
}

// A text and two integers for each row, which is a number.
class Naming : public AskingByName {
 public:
  explicit Naming(ModelOptions options = {}, const EngineOptions& engine_options = {})
      : AskingByName(engine_options) {
    backend::CallableOptions given;
    given.width = 1;
    given.idempotent = true;
    given.outputs = {{"name", {1, ElementType::kString}},
                     {"numbers", {2, ElementType::kInt64}},
                     {"even", {1, ElementType::kBool}}};
    options.warm_up = false;
    auto backend = backend::make_callable(
        [this](const backend::BatchInput& input, backend::BatchOutput& output) {
          batches.push_back(input.rows.count);
          for (const backend::Place& place : output.places) fill(input.rows, place);
          return Status{};
        },
        given);
    EXPECT_TRUE(engine->load("m", "", std::move(backend), options).ok());
  }
  static std::string name_of(double number) {
    return "a name that is too long to lie in the string itself: " + std::to_string(number);
  }
  void check(const Told& answer, double first, size_t rows, const Names& names) {
    EXPECT_TRUE(answer.done);
    EXPECT_EQ(answer.order.size(), names.size());
    for (const std::string_view name : names) {
      const std::string key(name);
      for (size_t r = 0; r < rows; ++r) {
        const double number = first + static_cast<double>(r);
        const auto whole = static_cast<int64_t>(number);
        if (key == "name") {
          EXPECT_EQ(answer.texts.at(key).at(r), name_of(number));
        }
        if (key == "numbers") {
          int64_t both[2];
          ASSERT_EQ(answer.numbers.at(key).size(), rows * sizeof both);
          std::memcpy(both, answer.numbers.at(key).data() + r * sizeof both, sizeof both);
          EXPECT_EQ(both[0], whole + (int64_t{1} << 60));
          EXPECT_EQ(both[1], -whole);
        }
        if (key == "even") {
          EXPECT_EQ(answer.numbers.at(key).at(r), whole % 2 == 0);
        }
      }
    }
  }
  Told& ask_for(double first, size_t rows, const Names& names) {
    std::vector<double> numbers;
    for (size_t r = 0; r < rows; ++r) numbers.push_back(first + static_cast<double>(r));
    return ask(dense_rows(numbers.data(), rows, 1), names);
  }
  std::vector<size_t> batches;

 private:
  static void fill(const Rows& rows, const backend::Place& place) {
    for (size_t r = 0; r < rows.count; ++r) {
      const auto whole = static_cast<int64_t>(rows.at(r, 0));
      if (place.output == 0) place.strings[r] = name_of(rows.at(r, 0));
      if (place.output == 1) {
        static_cast<int64_t*>(place.data)[2 * r] = whole + (int64_t{1} << 60);
        static_cast<int64_t*>(place.data)[2 * r + 1] = -whole;
      }
      if (place.output == 2) static_cast<bool*>(place.data)[r] = whole % 2 == 0;
    }
  }
};

TEST(Outputs, OfAFunctionAreTextsAndNumbers) {
  Naming naming;
  const Names all = {"even", "numbers", "name"};
  const Told& first = naming.ask_for(3, 1, all);
  const Told& second = naming.ask_for(10, 5, all);
  const Told& text = naming.ask_for(20, 2, {"name"});
  const Told& number = naming.ask_for(30, 3, {"numbers"});
  const Told& another = naming.ask_for(40, 2, {"name"});
  naming.run();
  naming.check(first, 3, 1, all);
  naming.check(second, 10, 5, all);
  naming.check(text, 20, 2, {"name"});
  naming.check(number, 30, 3, {"numbers"});
  naming.check(another, 40, 2, {"name"});
  EXPECT_EQ(naming.batches.size(), 3u);  // one for each set that was asked for
}

TEST(Outputs, OfARequestThatIsCutAreJoined) {
  ModelOptions options;
  options.max_batch_size = 4;
  Naming naming(options);
  const Names all = {"name", "numbers", "even"};
  const Told& large = naming.ask_for(100, 11, all);
  const Told& small = naming.ask_for(7, 2, all);
  naming.run();
  naming.check(large, 100, 11, all);
  naming.check(small, 7, 2, all);
  for (const size_t rows : naming.batches) EXPECT_LE(rows, 4u);
}

TEST(Outputs, OfEqualRequestsAreShared) {
  Naming naming;
  const Names all = {"name", "numbers"};
  const Told& first = naming.ask_for(1, 2, all);
  const Told& same = naming.ask_for(1, 2, {"numbers", "name"});
  const Told& less = naming.ask_for(1, 2, {"name"});
  naming.run();
  for (const Told* one : {&first, &same}) naming.check(*one, 1, 2, all);
  naming.check(less, 1, 2, {"name"});
  EXPECT_TRUE(same.shared);
  EXPECT_FALSE(less.shared);
}

TEST(Outputs, AreCachedUnlessTheyAreTexts) {
  EngineOptions options;
  options.cache_entries = 100;
  Naming naming({}, options);
  const Names numbers = {"numbers", "even"};
  const Names with_text = {"name", "even"};
  for (int round = 0; round < 3; ++round) {
    const Told& several = naming.ask_for(5, 3, numbers);
    const Told& beside = naming.ask_for(50, 3, numbers);
    const Told& single = naming.ask_for(5, 3, {"even"});
    const Told& text = naming.ask_for(5, 3, with_text);
    naming.run();
    naming.check(several, 5, 3, numbers);
    naming.check(beside, 50, 3, numbers);
    naming.check(single, 5, 3, {"even"});
    naming.check(text, 5, 3, with_text);
    EXPECT_EQ(several.from_cache, round > 0);
    EXPECT_EQ(beside.from_cache, round > 0);
    EXPECT_EQ(single.from_cache, round > 0);
    EXPECT_FALSE(text.from_cache);
  }
}

TEST(Outputs, ByNameAreQueuedByTheDoorForBoth) {
  Naming naming;
  const double row = 4;
  Told told;
  Request request;
  request.rows = dense_rows(&row, 1, 1);
  request.completion = &naming;
  request.context = &told;
  const Names names = {"numbers", "name"};
  request.outputs = names;
  EXPECT_TRUE(naming.engine->run_or_submit(request).ok());
  EXPECT_FALSE(told.done);
  naming.run();
  EXPECT_TRUE(told.done);
  naming.check(told, 4, 1, names);
}

TEST(Outputs, ThatAModelHasNotAreRefusedByName) {
  Naming naming;
  const double row = 1;
  Request request;
  request.rows = dense_rows(&row, 1, 1);
  request.completion = &naming;
  const Names names = {"name", "probability"};
  request.outputs = names;
  const Admission admission = naming.engine->submit(request);
  EXPECT_EQ(admission.refusal, Refusal::kOutput);
  EXPECT_EQ(admission.code(), Code::kUnsupported);
  EXPECT_NE(admission.error().message.find("\"probability\""), std::string::npos);
  request.outputs = {};
  EXPECT_EQ(naming.engine->submit(request).refusal, Refusal::kKind);
  EXPECT_EQ(naming.engine->outputs("m").value()[1].name, "numbers");
  EXPECT_FALSE(naming.engine->outputs("n").ok());
  EXPECT_EQ(naming.engine->stats().requests.refused[static_cast<size_t>(Refusal::kOutput)], 1u);
}

TEST(Outputs, OfOneNameOrTooManyAreNoModel) {
  auto engine = Engine::make({}).value();
  const auto load = [&](std::vector<OutputSpec> outputs) {
    backend::CallableOptions given;
    given.outputs = std::move(outputs);
    auto backend = backend::make_callable(
        [](const backend::BatchInput&, backend::BatchOutput&) { return Status{}; }, given);
    return engine->load("m", "", std::move(backend), {});
  };
  std::vector<OutputSpec> many;
  for (size_t i = 0; i <= kOutputsMax; ++i)
    many.push_back({"output " + std::to_string(i), {1, ElementType::kInt8}});
  EXPECT_NE(load(many).error().message.find("at most 64"), std::string::npos);
  many.pop_back();
  EXPECT_TRUE(load(many).ok());
  many[5].name = many[9].name;
  EXPECT_NE(load(many).error().message.find("\"output 9\""), std::string::npos);
}

}  // namespace
}  // namespace spinney::engine
