// make_forest() refuses every malformed structure, naming where it is.
#include "spinney/model/forest.h"

#include <gtest/gtest.h>

namespace spinney {
namespace {

// One split on feature 0 at 0.5 with two leaves.
ForestParts stump() {
  ForestParts parts;
  parts.settings.n_features = 2;
  Node root;
  root.threshold = 0.5;
  root.left = 1;
  root.right = 2;
  parts.nodes = {root, Node::leaf(0, 1), Node::leaf(1, 2)};
  parts.tree_begin = {0, 3};
  parts.tree_target = {0};
  parts.leaf_values = {-1, 1};
  parts.base = {0};
  return parts;
}

std::string refusal(ForestParts parts) {
  const auto forest = make_forest(std::move(parts));
  return forest.ok() ? "accepted" : forest.error().message;
}

TEST(Forest, AcceptsAStumpAndComparesAsDefined) {
  const auto forest = make_forest(stump());
  ASSERT_TRUE(forest.ok()) << forest.error().message;
  const Node& root = forest->tree(0)[0];
  EXPECT_TRUE(forest->goes_left(root, 0.25));
  EXPECT_FALSE(forest->goes_left(root, 0.5));
  EXPECT_FALSE(forest->goes_left(root, std::nan("")));
}

TEST(Forest, AnEmptyCategorySetHoldsNoCategoryZero) {
  ForestParts parts = stump();
  parts.category_sets = {
      {.first_word = 0, .word_count = 0, .other_left = 1, .fraction_below_zero_is_zero = 1}};
  parts.nodes[0].flags = Node::kCategorical;
  parts.nodes[0].threshold = 0;
  const auto forest = make_forest(std::move(parts));
  ASSERT_TRUE(forest.ok()) << forest.error().message;
  for (const double value : {-0.5, 0.0, 3.0, -2.0})
    EXPECT_TRUE(forest->goes_left(forest->tree(0)[0], value)) << value;
}

TEST(Forest, RefusesAChildOutOfRange) {
  ForestParts parts = stump();
  parts.nodes[0].right = 3;
  EXPECT_NE(refusal(parts).find("tree 0, node 0: child 3"), std::string::npos);
}

TEST(Forest, RefusesANodeReachedTwice) {
  ForestParts parts = stump();
  parts.nodes[0].right = 1;
  EXPECT_NE(refusal(parts).find("tree 0, node 1 has two parents"), std::string::npos);
}

TEST(Forest, RefusesACycleApartFromTheRoot) {
  ForestParts parts = stump();
  Node loop = parts.nodes[0];
  loop.left = 4;
  loop.right = 5;
  Node back = parts.nodes[0];
  back.left = 3;
  back.right = 6;
  parts.nodes.insert(parts.nodes.end(), {loop, back, Node::leaf(0, 5), Node::leaf(0, 6)});
  parts.tree_begin = {0, 7};
  EXPECT_NE(refusal(parts).find("cannot be reached"), std::string::npos);
}

TEST(Forest, RefusesAFeatureOutOfRange) {
  ForestParts parts = stump();
  parts.nodes[0].feature = 2;
  EXPECT_NE(refusal(parts).find("feature 2"), std::string::npos);
}

TEST(Forest, RefusesAThresholdThatFloat32CannotHold) {
  ForestParts parts = stump();
  parts.nodes[0].threshold = 0.1;
  EXPECT_NE(refusal(parts).find("float32"), std::string::npos);
}

TEST(Forest, RefusesALeafWithoutAValue) {
  ForestParts parts = stump();
  parts.leaf_values = {-1};
  EXPECT_NE(refusal(parts).find("tree 0, node 2"), std::string::npos);
}

}  // namespace
}  // namespace spinney
