// Workers on two nodes, of a machine that is made up, read their own node's copy of a model.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "../kernel/random_forest.h"
#include "spinney/engine/engine.h"
#include "spinney/spinney.h"

namespace spinney::engine {
namespace {

thread_local size_t worker_number = ~size_t{0};

struct Seen {
  std::mutex mutex;
  std::set<std::pair<size_t, size_t>> pairs;  // worker, replica
};

// One of several copies of a plan: notes which worker reads it.
class Copy final : public plan::Plan {
 public:
  Copy(std::shared_ptr<const plan::Plan> plan, size_t replica, Seen& seen)
      : plan_(std::move(plan)), replica_(replica), seen_(seen) {}
  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    if (worker_number != ~size_t{0}) {  // not the warm-up
      const std::lock_guard lock(seen_.mutex);
      seen_.pairs.emplace(worker_number, replica_);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // so that every worker has a turn
    plan_->score(rows, scores, num_threads);
  }
  std::vector<plan::KernelChoice> choices() const override { return plan_->choices(); }
  size_t bytes() const override { return 1000; }

 private:
  std::shared_ptr<const plan::Plan> plan_;
  size_t replica_;
  Seen& seen_;
};

class Counting : public Completion {
 public:
  bool may_block() const override { return false; }
  void finish(std::span<Finished> finished) noexcept override {
    for (const Finished& f : finished) answered += f.error == nullptr;
  }
  std::atomic<size_t> answered{0};
};

std::shared_ptr<const cpu::Topology> two_nodes() {
  cpu::Topology topology;
  for (unsigned i = 0; i < 4; ++i) topology.cpus.push_back({i, i, i / 2});
  topology.source = "made up";
  return std::make_shared<const cpu::Topology>(topology);
}

Model small_model() {
  DescriptionParts description;
  description.scorer = testing::ForestMaker({.name = "small"}, 1).make();
  description.output.value_type = NumberType::kFloat32;
  const auto shared = std::make_shared<const Description>(make_description(description).value());
  return Model::of(shared, plan::make_plan(shared).value());  // whatever nodes this machine has
}

void ask_many(Engine& engine, Completion& completion, size_t n, size_t width) {
  const std::vector<float> row(width, 0.5f);
  for (size_t i = 0; i < n; ++i) {
    Request request;
    request.rows = dense_rows(row.data(), 1, width);
    request.completion = &completion;
    request.deduplicate = false;
    ASSERT_TRUE(engine.submit(request).ok());
  }
}

TEST(EngineNuma, EveryWorkerReadsTheCopyOfItsNode) {
  EngineOptions options;
  options.num_workers = 4;
  options.topology = two_nodes();
  options.on_worker_start = [](size_t number) { worker_number = number; };
  auto engine = Engine::make(options).value();
  ASSERT_EQ(engine->placement().nodes, (std::vector<unsigned>{0, 1}));

  const Model model = small_model();
  Seen seen;
  size_t made = 0;
  const auto copy = [&]() -> Result<std::shared_ptr<const plan::Plan>> {
    return std::shared_ptr<const plan::Plan>(
        std::make_shared<Copy>(model.shared_plan(), made++, seen));
  };
  auto native = backend::make_native(model.shared_description(), model.shared_plan(),
                                     engine->placement(), copy);
  ASSERT_TRUE(native.ok());
  EXPECT_EQ(made, 2u);
  ModelOptions per_model;
  per_model.max_batch_size = 1;
  per_model.shed_target_ns = 0;
  ASSERT_TRUE(engine->load("m", "1", *native, per_model).ok());
  EXPECT_EQ(engine->models()[0].replicas, 2u);
  EXPECT_EQ(engine->models()[0].bytes, 2000u);

  Counting counting;
  ask_many(*engine, counting, 200, model.n_features());
  ASSERT_TRUE(engine->drain(20 * kSecond));
  engine->stop(kSecond);
  EXPECT_EQ(counting.answered, 200u);
  std::set<size_t> replicas;
  for (const auto& [worker, replica] : seen.pairs) {
    EXPECT_EQ(replica, worker / 2) << "worker " << worker;
    replicas.insert(replica);
  }
  EXPECT_EQ(replicas.size(), 2u);
}

// Whoever asks the model itself reads the copy of the node that he runs on.
TEST(EngineNuma, DirectPredictionsReadTheCopyOfTheCallersNode) {
  const Model plain = small_model();
  Seen seen;
  size_t made = 0;
  const auto copy = [&]() -> Result<plan::PlanPtr> {
    return plan::PlanPtr(std::make_shared<Copy>(plain.shared_plan(), made++, seen));
  };
  const cpu::Assignment placement = cpu::assign(*two_nodes(), 4);
  const plan::PlanPtr near = plan::NearPlan::make(placement, copy).value();
  EXPECT_EQ(made, 2u);
  EXPECT_EQ(near->bytes(), 2000u);
  const Model model = Model::of(plain.shared_description(), near);
  const std::vector<float> row(model.n_features(), 0.5f);
  float expected[8] = {};
  const Rows rows = dense_rows(row.data(), 1, row.size());
  ASSERT_TRUE(plain.predict_raw(rows, expected).ok());
  for (const unsigned node : {0, 1, 7})  // 7 has no copy: the first serves
    std::thread([&, node] {
      cpu::place_on_node(node);
      worker_number = node;
      float scores[8] = {};
      EXPECT_TRUE(model.predict_raw(rows, scores).ok());
      EXPECT_EQ(scores[0], expected[0]);
    }).join();
  EXPECT_EQ(seen.pairs, (std::set<std::pair<size_t, size_t>>{{0, 0}, {1, 1}, {7, 0}}));

  // The engine's workers share these copies: none is made for them.
  auto native =
      backend::make_native(model.shared_description(), model.shared_plan(), placement, copy);
  ASSERT_TRUE(native.ok());
  EXPECT_EQ(made, 2u);
  EXPECT_EQ((*native)->replicas(), 2u);
  EXPECT_EQ((*native)->bytes(), 2000u);
}

TEST(EngineNuma, APlanForOneNodeIsThePlanItself) {
  const Model model = small_model();
  const auto plan = plan::NearPlan::make(
      cpu::assign(*two_nodes(), 2), [&]() -> Result<plan::PlanPtr> { return model.shared_plan(); });
  EXPECT_EQ(*plan, model.shared_plan());
}

TEST(EngineNuma, OnOneNodeNothingIsCopied) {
  auto one = std::make_shared<cpu::Topology>();
  one->cpus = {{0, 0, 0}, {1, 1, 0}};
  EngineOptions options;
  options.num_workers = 4;
  options.topology = one;
  auto engine = Engine::make(options).value();
  const Model model = small_model();
  auto native = backend::make_native(
      model.shared_description(), model.shared_plan(), engine->placement(),
      []() -> Result<std::shared_ptr<const plan::Plan>> { return too_large("a copy is made"); });
  ASSERT_TRUE(native.ok());
  EXPECT_EQ((*native)->replicas(), 1u);
  EXPECT_EQ((*native)->bytes(), model.plan().bytes());
}

TEST(EngineNuma, ACopyThatCannotBeMadeIsTheAnswer) {
  const Model model = small_model();
  auto native = backend::make_native(
      model.shared_description(), model.shared_plan(), cpu::assign(*two_nodes(), 4),
      []() -> Result<std::shared_ptr<const plan::Plan>> { return too_large("no room"); });
  ASSERT_FALSE(native.ok());
  EXPECT_EQ(native.error().message, "no room");
}

}  // namespace
}  // namespace spinney::engine
