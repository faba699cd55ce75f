// Plans of forests: threads change no bit, choices are visible, and what is asked for in the
// environment is obeyed or refused.
#include "spinney/plan/forest_plan.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <stdexcept>
#include <thread>

#include "spinney/base/cgroup.h"
#include "spinney/cpu/count.h"
#include "spinney/kernel/forest/registry.h"
#include "spinney/plan/workers.h"

namespace spinney::plan {
namespace {

std::shared_ptr<const Description> stumps(size_t n_trees) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  ForestParts parts;
  parts.settings.n_features = 5;
  parts.base = {0.5};
  for (size_t t = 0; t < n_trees; ++t) {
    Node root;
    root.threshold = static_cast<float>(normal(random));
    root.feature = static_cast<uint32_t>(t % 5);
    root.left = 1;
    root.right = 2;
    const auto leaf = static_cast<uint32_t>(2 * t);
    parts.nodes.insert(parts.nodes.end(), {root, Node::leaf(leaf, 1), Node::leaf(leaf + 1, 2)});
    parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
    parts.tree_target.push_back(0);
    parts.leaf_values.push_back(normal(random));
    parts.leaf_values.push_back(normal(random));
  }
  DescriptionParts model;
  model.scorer = *make_forest(std::move(parts));
  return std::make_shared<const Description>(make_description(std::move(model)).value());
}

std::vector<float> table(size_t rows) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> x(rows * 5);
  for (float& value : x) value = normal(random);
  return x;
}

std::vector<float> score(const Plan& plan, const std::vector<float>& x, unsigned threads) {
  std::vector<float> scores(x.size() / 5, -1);
  plan.score(dense_rows(x.data(), scores.size(), 5), scores.data(), threads);
  return scores;
}

TEST(ForestPlan, ThreadsAndBlocksChangeNothing) {
  const auto plan = make_plan(stumps(100));
  ASSERT_TRUE(plan.ok());
  for (const size_t rows : {0, 1, 63, 64, 65, 127, 1000, 5003}) {
    const std::vector<float> x = table(rows);
    const std::vector<float> alone = score(**plan, x, 1);
    for (const unsigned threads : {0u, 2u, 3u, 16u}) ASSERT_EQ(alone, score(**plan, x, threads));
    for (size_t r = 0; r < std::min<size_t>(rows, 70); ++r) {
      float one = 0;
      (*plan)->score(dense_rows(&x[r * 5], 1, 5), &one, 1);
      ASSERT_EQ(alone[r], one) << r;
    }
  }
}

TEST(ForestPlan, CallersOnManyThreadsShareTheWorkers) {
  const auto plan = make_plan(stumps(50));
  const std::vector<float> x = table(3000);
  const std::vector<float> alone = score(**plan, x, 1);
  std::atomic<int> equal{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i)
    callers.emplace_back([&] {
      for (int k = 0; k < 10; ++k) equal += score(**plan, x, 4) == alone;
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(equal, 60);
}

TEST(ForestPlan, AChildOfForkHasWorkersOfItsOwn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer lets no thread start after a fork";
#endif
  const auto plan = make_plan(stumps(50));
  const std::vector<float> x = table(3000);
  const std::vector<float> alone = score(**plan, x, 4);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);  // a hang is a failure
    _exit(score(**plan, x, 4) == alone ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ForestPlan, ChoicesBeginAtOneRowAndNameKernels) {
  const auto plan = make_plan(stumps(100));
  const std::vector<KernelChoice> choices = (*plan)->choices();
  ASSERT_FALSE(choices.empty());
  EXPECT_EQ(choices[0].rows, 1u);
  for (size_t i = 1; i < choices.size(); ++i) EXPECT_GT(choices[i].rows, choices[i - 1].rows);
  EXPECT_GT((*plan)->cost_ns(10000), (*plan)->cost_ns(10));
}

class Environment : public testing::Test {
 protected:
  void TearDown() override {
    unsetenv("SPINNEY_KERNEL");
    unsetenv("SPINNEY_ISA");
  }
};

TEST_F(Environment, AForcedKernelIsTheOneThatRuns) {
  const std::vector<float> x = table(200);
  const std::vector<float> expected = score(**make_plan(stumps(30)), x, 1);
  for (const kernel::KernelEntry& entry : kernel::registry()) {
    if (entry.isa > cpu::usable_isa()) continue;
    setenv("SPINNEY_KERNEL", std::string(entry.name).c_str(), 1);
    const auto plan = make_plan(stumps(30));
    if (!plan.ok()) continue;
    ASSERT_EQ((*plan)->choices().size(), 1u);
    EXPECT_EQ((*plan)->choices()[0].kernel, entry.name);
    EXPECT_EQ(score(**plan, x, 1), expected) << entry.name;
  }
}

TEST_F(Environment, UnknownNamesAreRefused) {
  setenv("SPINNEY_KERNEL", "wlak.scalar", 1);
  const auto kernel = make_plan(stumps(3));
  ASSERT_FALSE(kernel.ok());
  EXPECT_NE(kernel.error().message.find("walk.scalar"), std::string::npos);
  unsetenv("SPINNEY_KERNEL");
  setenv("SPINNEY_ISA", "avx1024", 1);
  const auto isa = make_plan(stumps(3));
  ASSERT_FALSE(isa.ok());
  EXPECT_NE(isa.error().message.find("avx2"), std::string::npos);
}

TEST(Workers, RunEveryPartOnceAndPassOnWhatIsThrown) {
  std::vector<std::atomic<int>> runs(1000);
  const auto count = [&](size_t part) { ++runs[part]; };
  run_parts(runs.size(), 4, PartFunction(count));
  for (const auto& n : runs) EXPECT_EQ(n, 1);
  const auto fail = [](size_t part) {
    if (part == 7) throw std::runtime_error("seven");
  };
  EXPECT_THROW(run_parts(100, 4, PartFunction(fail)), std::runtime_error);
  run_parts(0, 4, PartFunction(fail));
}

TEST(Cpus, QuotasAreRead) {
  EXPECT_EQ(quota_of("max 100000\n"), 0);
  EXPECT_EQ(quota_of("150000 100000\n"), 1.5);
  EXPECT_EQ(quota_of("-1\n 100000\n"), 0);
  EXPECT_EQ(quota_of(""), 0);
  EXPECT_GE(cpu::usable_cpus(), 1u);
}

}  // namespace
}  // namespace spinney::plan
