// read_lightgbm_text() reads what LightGBM writes and refuses, naming the place, what it cannot be.
#include <gtest/gtest.h>

#include <string>

#include "spinney/load/lightgbm/lightgbm.h"

namespace spinney::load {
namespace {

// Two trees over two features: one numeric split each, and a categorical one in the second.
constexpr char kModel[] = R"(tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1.5
feature_names=age city
feature_infos=[0:9] 0:1:2:3
tree_sizes=10 20

Tree=0
num_leaves=2
num_cat=0
split_feature=0
split_gain=1
threshold=0.10000000000000001
decision_type=10
left_child=-1
right_child=-2
leaf_value=-0.5 0.25
is_linear=0
shrinkage=1


Tree=1
num_leaves=3
num_cat=1
split_feature=1 0
threshold=0 1.0000000180025095e-35
decision_type=1 6
left_child=1 -1
right_child=-2 -3
leaf_value=1 2 4
cat_boundaries=0 2
cat_threshold=5 1
is_linear=0
shrinkage=0.1


end of trees

feature_importances:
age=2

parameters:
[boosting: gbdt]
end of parameters

pandas_categorical:null
)";

Result<Description> read(const std::string& text) { return read_lightgbm_text(text); }

// The model with one piece of text replaced by another.
std::string with(const std::string& piece, const std::string& other) {
  std::string text = kModel;
  const size_t at = text.find(piece);
  EXPECT_NE(at, std::string::npos) << piece;
  return text.replace(at, piece.size(), other);
}

std::string refusal(const std::string& text) {
  const auto model = read(text);
  return model.ok() ? "accepted" : model.error().message;
}

void expect_refused(const std::string& piece, const std::string& other, const std::string& says) {
  const std::string message = refusal(with(piece, other));
  EXPECT_NE(message.find(says), std::string::npos) << other << " gave: " << message;
}

TEST(LightgbmText, ReadsHeaderAndTrees) {
  const auto model = read(kModel);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->n_features(), 2u);
  EXPECT_EQ(model->n_trees(), 2u);
  EXPECT_EQ(model->feature_names, (std::vector<std::string>{"age", "city"}));
  EXPECT_EQ(model->output.objective, "binary");
  EXPECT_EQ(model->output.link.kind, LinkKind::kLgbSigmoid);
  EXPECT_EQ(model->output.link.parameter, 1.5);
  const auto& forest = std::get<Forest>(model->scorer);
  EXPECT_EQ(forest.settings().input, NumberType::kFloat64);
  const Node& root = forest.tree(0)[0];
  EXPECT_EQ(root.threshold, 0.1);
  EXPECT_TRUE(root.default_left());
  EXPECT_EQ(root.missing, MissingRule::kNan);
  EXPECT_EQ(forest.tree(1)[1].missing, MissingRule::kZeroOrNan);
}

TEST(LightgbmText, SendsCategoriesWhereLightgbmDoes) {
  const auto model = read(kModel);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto& forest = std::get<Forest>(model->scorer);
  const Node& root = forest.tree(1)[0];
  for (const double left : {0.0, -0.0, -0.9, 0.9, 2.5, 32.0})
    EXPECT_TRUE(forest.goes_left(root, left)) << left;
  for (const double right : {1.0, -1.0, 33.0, 64.0, 1e300, -1e300, 4294967296.0})
    EXPECT_FALSE(forest.goes_left(root, right)) << right;
  EXPECT_FALSE(forest.goes_left(root, std::nan("")));
}

TEST(LightgbmText, ReadsWindowsLineEnds) {
  std::string text = kModel;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
    text.replace(at, 1, "\r\n");
  EXPECT_TRUE(read(text).ok()) << refusal(text);
}

TEST(LightgbmText, RefusesBadHeaders) {
  expect_refused("tree\n", "trees\n", "not a LightGBM model");
  expect_refused("num_class=1", "num_class=-1", "num_class");
  expect_refused("num_class=1", "num_class=2000000000", "contradicts");
  expect_refused("max_feature_idx=1", "max_feature_idx=2147483646", "feature_names");
  expect_refused("max_feature_idx=1", "max_feature_idx=2", "feature_names");
  expect_refused("version=v4", "num_class=1", "num_class stands there twice");
  expect_refused("tree_sizes=10 20", "tree_sizes=10 20 30", "tree_sizes");
  expect_refused("objective=binary", "objective=clairvoyance", "clairvoyance");
  expect_refused("sigmoid:1.5", "sigmoid:-1", "sigmoid");
  expect_refused("objective=binary sigmoid:1.5", "objective=multiclass num_class:3", "num_class");
}

TEST(LightgbmText, RefusesBadTrees) {
  expect_refused("Tree=1", "Tree=2", "tree 1");
  expect_refused("num_leaves=3", "num_leaves=2", "tree 1: leaf_value");
  expect_refused("num_leaves=3", "num_leaves=2000000000", "tree 1: num_leaves");
  expect_refused("num_leaves=3", "num_leaves=-3", "tree 1: num_leaves");
  expect_refused("num_leaves=3\n", "", "tree 1: num_leaves is missing");
  expect_refused("split_feature=1 0", "split_feature=1 2", "tree 1, node 1: feature 2");
  expect_refused("split_feature=1 0", "split_feature=-1 0", "tree 1, node 0: feature -1");
  expect_refused("split_feature=1 0", "split_feature=1", "tree 1: split_feature");
  expect_refused("left_child=1 -1", "left_child=7 -1", "tree 1, node 0: left_child 7");
  expect_refused("left_child=1 -1", "left_child=0 -1", "tree 1, node 0: left_child 0");
  expect_refused("left_child=1 -1", "left_child=-9 -1", "tree 1, node 0: left_child -9");
  expect_refused("left_child=1 -1", "left_child=1 1", "tree 1, node 1 has two parents");
  expect_refused("left_child=1 -1", "left_child=-2147483648 -1", "tree 1, node 0");
  expect_refused("right_child=-2 -3", "right_child=-2 -2", "tree 1, node 3 has two parents");
  expect_refused("decision_type=1 6", "decision_type=1 12", "tree 1, node 1: decision_type 12");
  expect_refused("threshold=0 1", "threshold=zero 1", "tree 1: threshold, value 0: \"zero\"");
  expect_refused("leaf_value=1 2 4", "leaf_value=1 2 4\nleaf_value=1 2 4", "twice");
}

TEST(LightgbmText, RefusesLyingCategories) {
  expect_refused("num_cat=1", "num_cat=0", "tree 1, node 0: category set");
  expect_refused("num_cat=1", "num_cat=2", "tree 1: cat_boundaries");
  expect_refused("num_cat=1", "num_cat=1000000000", "tree 1: num_cat");
  expect_refused("cat_boundaries=0 2", "cat_boundaries=0 3", "tree 1: cat_threshold");
  expect_refused("cat_boundaries=0 2", "cat_boundaries=2 0", "tree 1: cat_boundaries");
  expect_refused("cat_boundaries=0 2", "cat_boundaries=-2 2", "tree 1: cat_boundaries");
  expect_refused("cat_threshold=5 1", "cat_threshold=5 -1", "tree 1: cat_threshold");
  expect_refused("threshold=0 1", "threshold=0.5 1", "tree 1, node 0: category set");
}

using Strings = std::vector<std::string>;

TEST(LightgbmText, ReadsPandasCategories) {
  const auto model = read(with("pandas_categorical:null",
                               "pandas_categorical:"
                               R"([["a\"b", "\u00e9\ud83d\ude00", ""], [1, -2], )"
                               R"([0.5, 3], [true, false], []])"));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_TRUE(model->categories_by_position);
  ASSERT_EQ(model->categories.size(), 5u);
  EXPECT_EQ(std::get<Strings>(model->categories[0].values), (Strings{"a\"b", "é😀", ""}));
  EXPECT_EQ(std::get<std::vector<int64_t>>(model->categories[1].values),
            (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(std::get<std::vector<double>>(model->categories[2].values),
            (std::vector<double>{0.5, 3}));
  EXPECT_EQ(std::get<std::vector<int64_t>>(model->categories[3].values),
            (std::vector<int64_t>{1, 0}));
}

TEST(LightgbmText, RefusesBadPandasCategories) {
  for (const char* json :
       {"", "[", "[[", "[[1,", "[[1]", "[1]", "[[1]]x", "[[\"a]]", "[[\"\\u12\"]]",
        "[[\"\\ud800\"]]", "[[\"\\q\"]]", "[[1 2]]", "[[nope]]", "{}", "[[\"a\", 1]]"})
    expect_refused("categorical:null", std::string("categorical:") + json, "pandas_categorical");
}

TEST(LightgbmText, RefusesEveryTruncation) {
  const std::string text = kModel;
  const size_t end = text.find("end of trees") + std::string("end of trees").size();
  for (size_t size = 0; size < end; ++size) EXPECT_FALSE(read(text.substr(0, size)).ok()) << size;
}

}  // namespace
}  // namespace spinney::load
