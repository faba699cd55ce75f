// Graphs: what GraphBuilder refuses, and what a graph knows of its columns.
#include "spinney/model/graph.h"

#include <gtest/gtest.h>

#include <cmath>

#include "spinney/model/description.h"

namespace spinney {
namespace {

std::shared_ptr<const Description> linear(uint32_t n_features, bool classifier = false) {
  Linear linear;
  linear.n_features = n_features;
  linear.weights = std::vector<double>(n_features, 1.0);
  linear.bias = std::vector<double>{0};
  DescriptionParts model;
  model.scorer = make_linear(std::move(linear)).value();
  model.output.value_type = NumberType::kFloat64;
  if (classifier) {
    model.output.labels.push_back({std::vector<int64_t>{0, 1}, false, "<i8"});
    model.output.link.kind = LinkKind::kExpit;
    model.output.has_probabilities = true;
    model.output.decision = Decision::kThreshold;
  }
  return std::make_shared<const Description>(make_description(std::move(model)).value());
}

// Adds nodes behind an input of three columns; what is wrong with the last of them.
std::string refusal(std::vector<GraphNode> nodes) {
  GraphBuilder builder;
  EXPECT_TRUE(builder.add(InputNode{3}).ok());
  std::string last = "accepted";
  for (GraphNode& node : nodes) {
    EXPECT_EQ(last, "accepted");
    const auto added = builder.add(std::move(node));
    last = added.ok() ? "accepted" : added.error().message;
  }
  return last;
}

#define EXPECT_SAYS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "instead: " << (text)

TEST(Graph, NodesReadWhatComesBeforeThem) {
  EXPECT_SAYS(refusal({SelectNode{1, {0}}}), "it reads node 1, which does not come before it");
  EXPECT_SAYS(refusal({SelectNode{0, {0}}, JoinNode{{0, 2}}}), "reads node 2, which does not");
  EXPECT_SAYS(refusal({SelectNode{4'000'000'000u, {0}}}), "does not come before it");
  CombineNode combine;
  combine.parts = {{7, {}, 1}};
  EXPECT_SAYS(refusal({combine}), "ensemble member 0 of 1: it reads node 7");
}

TEST(Graph, BeginsWithItsOneInput) {
  GraphBuilder builder;
  EXPECT_SAYS(builder.add(SelectNode{0, {0}}).error().message, "does not begin with its input");
  EXPECT_SAYS(refusal({InputNode{3}}), "an input stands behind other nodes");
}

TEST(Graph, ColumnsExist) {
  EXPECT_SAYS(refusal({SelectNode{0, {2, 3}}}), "it reads column 3 of 3");
  EXPECT_SAYS(refusal({SelectNode{0, {}}}), "it selects no columns");
  EXPECT_SAYS(refusal({JoinNode{}}), "it joins no columns");
  EXPECT_SAYS(refusal({ScoreNode{0, AnswerOf::kRaw, linear(2)}}), "given 3 columns and reads 2");
  EXPECT_SAYS(refusal({ScoreNode{0, AnswerOf::kRaw, nullptr}}), "it is missing");
}

TEST(Graph, ClassesAndNumbersAreTwoThings) {
  const ScoreNode classes{0, AnswerOf::kClasses, linear(3, true)};
  EXPECT_SAYS(refusal({classes, SelectNode{1, {0}}}), "the classes of node 1 as numbers");
  EXPECT_SAYS(refusal({classes, ScoreNode{1, AnswerOf::kRaw, linear(1)}}), "as numbers");
  EXPECT_SAYS(refusal({classes, JoinNode{{1, 0}}}), "it joins classes and the numbers of node 0");
  EXPECT_SAYS(refusal({classes, JoinNode{{0, 1}}}), "the classes of node 1 as numbers");
  CombineNode votes;
  votes.combination = Combination::kMajorityVote;
  votes.n_outputs = 2;
  votes.parts = {{0, {}, 1}};
  EXPECT_SAYS(refusal({votes}), "it predicts no classes to vote with");
}

TEST(Graph, CodesHaveABitForEachScore) {
  EXPECT_EQ(refusal({NearestCodeNode{0, 2, {1, 0, 1, 0, 1, -1}}}), "accepted");
  EXPECT_SAYS(refusal({NearestCodeNode{0, 2, {1, 0}}}), "2 bits of the codes of 2 classes for 3");
  EXPECT_SAYS(refusal({NearestCodeNode{0, 0, {}}}), "0 bits of the codes of 0 classes");
  EXPECT_SAYS(refusal({NearestCodeNode{0, 4'000'000'000u, {1, 0, 1}}}), "of 4000000000 classes");
  EXPECT_SAYS(refusal({NearestCodeNode{0, 1, {1, 0, std::nan("")}}}), "a code is no finite number");
  EXPECT_SAYS(refusal({NearestCodeNode{7, 1, {1, 0, 1}}}), "it reads node 7");
}

// Joins of joins would double with each of them.
TEST(Graph, ColumnsDoNotGrowWithoutEnd) {
  GraphBuilder builder;
  ASSERT_TRUE(builder.add(InputNode{1000}).ok());
  std::string last = "accepted";
  for (uint32_t i = 0; last == "accepted" && i < 40; ++i) {
    const auto added = builder.add(JoinNode{{i, i, i, i, i, i, i, i}});
    last = added.ok() ? "accepted" : added.error().message;
  }
  EXPECT_SAYS(last, "16777216 columns");
  std::vector<GraphNode> nested;
  for (uint32_t i = 0; i <= kGraphViewsMax; ++i) nested.push_back(SelectNode{i, {0, 0}});
  EXPECT_SAYS(refusal(nested), "selected and joined more than 8 times");
}

TEST(Graph, HasNoMoreNodesThanItsLimit) {
  GraphBuilder builder;
  ASSERT_TRUE(builder.add(InputNode{1}).ok());
  size_t count = 1;
  while (builder.add(SelectNode{0, {0}}).ok()) ++count;
  EXPECT_EQ(count, kGraphNodesMax);
  EXPECT_SAYS(builder.add(SelectNode{0, {0}}).error().message, "more than 131072 nodes");
}

TEST(Graph, AnswersByNodesThatCompute) {
  const auto finish = [](GraphAnswers answers) {
    GraphBuilder builder;
    (void)builder.add(InputNode{3});
    (void)builder.add(ScoreNode{0, AnswerOf::kClasses, linear(3, true)});
    (void)builder.add(ScoreNode{0, AnswerOf::kRaw, linear(3)});
    const auto made = std::move(builder).finish(answers);
    return made.ok() ? "accepted" : made.error().message;
  };
  EXPECT_SAYS(finish({2}), "nothing reads node 1");
  EXPECT_SAYS(finish({0}), "node 0, which computes no numbers");
  EXPECT_SAYS(finish({1}), "node 1, which computes no numbers");
  EXPECT_SAYS(finish({3}), "node 3 of 3");
  EXPECT_SAYS(finish({2, kNoNode, 2}), "node 2, which computes no classes");
  EXPECT_EQ(finish({2, kNoNode, 1}), "accepted");
}

TEST(Graph, KnowsTheOriginOfItsColumns) {
  GraphBuilder builder;
  ASSERT_TRUE(builder.add(InputNode{3}).ok());
  const uint32_t some = builder.add(SelectNode{0, {2, 0}}).value();
  const uint32_t score = builder.add(ScoreNode{some, AnswerOf::kRaw, linear(2)}).value();
  const uint32_t joined = builder.add(JoinNode{{score, some}}).value();
  const uint32_t last = builder.add(ScoreNode{joined, AnswerOf::kRaw, linear(3)}).value();
  const GraphPtr graph = std::move(builder).finish({last}).value();
  EXPECT_EQ(graph->origins(some), (std::vector<uint32_t>{2, 0}));
  EXPECT_EQ(graph->origins(score), (std::vector<uint32_t>{kNoNode}));
  EXPECT_EQ(graph->origins(joined), (std::vector<uint32_t>{kNoNode, 2, 0}));
  EXPECT_EQ(graph->n_features(), 3u);
  EXPECT_EQ(graph->scorers().size(), 2u);
}

}  // namespace
}  // namespace spinney
