// Forests that are run as one give the sums that each of them gives alone, bit for bit.
#include "spinney/plan/merged_forests.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "spinney/model/ensemble.h"
#include "spinney/plan/measure.h"
#include "spinney/spinney.h"

namespace spinney::plan {
namespace {

constexpr uint32_t kColumns = 4;

// Trees of three splits, some of them of categories, over a few thresholds that others have too.
std::shared_ptr<const Description> random_forest(unsigned seed, uint32_t n_outputs,
                                                 double divisor = 1) {
  std::minstd_rand random(seed);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  ForestParts parts;
  parts.settings.n_features = kColumns;
  parts.settings.n_outputs = n_outputs;
  parts.settings.divisor = divisor;
  for (uint32_t k = 0; k < n_outputs; ++k) parts.base.push_back(0.1 * (seed + k));
  parts.category_sets = {{0, 1, 1, 0}, {1, 1, 0, 0}};
  parts.category_words = {seed * 77 + 5, 9};
  for (uint32_t t = 0; t < 60; ++t) {
    for (const int32_t left : {1, 3, 5}) {
      Node node;
      node.feature = below(kColumns - 1);
      node.threshold = (below(40) - 20.0) / 8;
      if (below(4) == 0) {
        node.flags = Node::kCategorical;
        node.feature = kColumns - 1;  // sets are of one column each
        node.threshold = below(2);
      }
      if (below(2) == 0) node.flags |= Node::kDefaultLeft;
      node.left = left;
      node.right = left + 1;
      parts.nodes.push_back(node);
    }
    for (int32_t leaf = 3; leaf < 7; ++leaf) {
      parts.nodes.push_back(Node::leaf(static_cast<uint32_t>(parts.leaf_values.size()), leaf));
      parts.leaf_values.push_back(static_cast<float>(below(1000)) * 0.0137 - 7);
    }
    parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
    parts.tree_target.push_back(t % n_outputs);
  }
  DescriptionParts model;
  auto forest = make_forest(std::move(parts));
  EXPECT_TRUE(forest.ok()) << forest.error().message;
  model.scorer = std::move(forest).value();
  return std::make_shared<const Description>(make_description(std::move(model)).value());
}

std::vector<float> random_rows(size_t count) {
  std::minstd_rand random(1);
  std::vector<float> x(count * kColumns);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto drawn = static_cast<float>(random() % 45) / 8 - 2.5f;
    x[i] = i % kColumns == kColumns - 1 ? static_cast<float>(random() % 40) : drawn;
    if (random() % 10 == 0) x[i] = std::numeric_limits<float>::quiet_NaN();
  }
  return x;
}

GraphPtr graph_of(const std::vector<std::shared_ptr<const Description>>& models) {
  GraphBuilder builder;
  EXPECT_TRUE(builder.add(InputNode{kColumns}).ok());
  JoinNode join;
  for (const auto& model : models)
    join.from.push_back(builder.add(ScoreNode{0, AnswerOf::kRaw, model}).value());
  const uint32_t joined = builder.add(std::move(join)).value();
  return std::move(builder).finish({joined}).value();
}

TEST(MergedForests, SumsAreThoseOfEachAlone) {
  const std::vector<std::shared_ptr<const Description>> models = {
      random_forest(1, 1), random_forest(2, 3), random_forest(3, 1)};
  DescriptionParts parts;
  parts.scorer = graph_of(models);
  Allowance allowance(SteadyClock::instance());
  ASSERT_EQ(merge_forests(*std::get<GraphPtr>(parts.scorer), allowance).size(), 1u);
  const auto whole =
      Model::make(std::make_shared<const Description>(make_description(parts).value())).value();
  for (const size_t rows : {1, 3, 64, 65, 200, 3000}) {
    const std::vector<float> x = random_rows(rows);
    std::vector<float> scores(rows * 5);
    ASSERT_TRUE(whole.predict_raw(dense_rows(x.data(), rows, kColumns), scores.data()).ok());
    size_t first = 0;
    for (const auto& model : models) {
      const size_t n = model->n_outputs();
      std::vector<float> alone(rows * n);
      const auto one = Model::make(model).value();
      ASSERT_TRUE(one.predict_raw(dense_rows(x.data(), rows, kColumns), alone.data()).ok());
      for (size_t r = 0; r < rows; ++r)
        EXPECT_EQ(std::memcmp(&scores[r * 5 + first], &alone[r * n], n * sizeof(float)), 0)
            << "row " << r << " of " << rows;
      first += n;
    }
  }
}

// Scores that say one class, and a node for the values that says the other.
TEST(GraphAnswers, ValuesOfANodeDecide) {
  GraphBuilder builder;
  ASSERT_TRUE(builder.add(InputNode{kColumns}).ok());
  const uint32_t scores = builder.add(ScoreNode{0, AnswerOf::kRaw, random_forest(7, 2)}).value();
  const uint32_t values = builder.add(MapNode{scores, Function::kAffine, -1, 0}).value();
  DescriptionParts parts;
  parts.scorer = std::move(builder).finish({.scores = scores, .values = values}).value();
  parts.output.task = Task::kBinary;
  parts.output.decision = Decision::kArgmax;
  parts.output.labels = {{std::vector<int64_t>{0, 1}}};
  const auto model =
      Model::make(std::make_shared<const Description>(make_description(parts).value())).value();
  constexpr size_t kRows = 70;
  const std::vector<float> x = random_rows(kRows);
  const Rows rows = dense_rows(x.data(), kRows, kColumns);
  std::vector<float> answered(kRows * 2);
  std::vector<int32_t> classes(kRows);
  ASSERT_TRUE(model.predict_values(rows, answered.data()).ok());
  ASSERT_TRUE(model.predict_classes(rows, classes.data()).ok());
  for (size_t r = 0; r < kRows; ++r)
    EXPECT_EQ(classes[r], answered[2 * r + 1] > answered[2 * r] ? 1 : 0) << "row " << r;
}

TEST(MergedForests, OnlyThoseThatAreAlikeAreOne) {
  Allowance allowance(SteadyClock::instance());
  const auto groups = [&](const std::vector<std::shared_ptr<const Description>>& models) {
    return merge_forests(*graph_of(models), allowance).size();
  };
  EXPECT_EQ(groups({random_forest(1, 1)}), 0u);
  EXPECT_EQ(groups({random_forest(1, 1), random_forest(2, 1, 3)}), 0u);
  EXPECT_EQ(groups({random_forest(1, 1), random_forest(2, 1, 3), random_forest(3, 1)}), 1u);
}

}  // namespace
}  // namespace spinney::plan
