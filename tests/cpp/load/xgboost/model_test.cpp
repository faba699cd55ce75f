// What contradicts itself in an XGBoost model is refused, naming the tree, node or field.
#include <gtest/gtest.h>

#include "spinney/load/xgboost/xgboost.h"

namespace spinney::load {
namespace {

// Two trees of one split on feature 0 at 0.5; written as XGBoost 3.2 writes it.
const char* const kTree = R"({"id":ID,"base_weights":[0,1,2],"categories":[],"categories_nodes":[],
  "categories_segments":[],"categories_sizes":[],"default_left":[1,0,0],"left_children":[1,-1,-1],
  "loss_changes":[1,0,0],"parents":[2147483647,0,0],"right_children":[2,-1,-1],
  "split_conditions":[5E-1,-1E0,1E0],"split_indices":[0,0,0],"split_type":[0,0,0],
  "sum_hessian":[1,1,1],"tree_param":{"num_deleted":"0","num_feature":"2","num_nodes":"3",
  "size_leaf_vector":"1"}})";

const char* const kModel = R"({"learner":{"attributes":{},"feature_names":[],"feature_types":[],
  "gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"2"},
  "iteration_indptr":[0,1,2],"tree_info":[0,0],"trees":[TREE0,TREE1]},"name":"gbtree"},
  "learner_model_param":{"base_score":"[5E-1]","boost_from_average":"1","num_class":"0",
  "num_feature":"2","num_target":"1"},"objective":{"name":"binary:logistic"}},
  "version":[3,2,0]})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// The text with `values` put behind the first `opening`.
std::string filled(const std::string& text, const std::string& opening, const char* values) {
  return replaced(text, opening, std::string(opening).append(values));
}

std::string model_text() {
  const std::string text = replaced(kModel, "TREE0", replaced(kTree, "ID", "0"));
  return replaced(text, "TREE1", replaced(kTree, "ID", "1"));
}

std::string refusal(const std::string& text) {
  const auto model = read_xgboost_json(text);
  return model.ok() ? "accepted" : model.error().message;
}

// What is said of the model when `from` is `to` in it, the first time that it stands there.
std::string refusal_with(const std::string& from, const std::string& to) {
  return refusal(replaced(model_text(), from, to));
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(XgboostModel, ReadsWhatItIs) {
  const auto model = read_xgboost_json(model_text());
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->n_trees(), 2u);
  EXPECT_EQ(model->n_features(), 2u);
  EXPECT_EQ(model->source.version, "3.2.0");
  EXPECT_EQ(model->output.objective, "binary:logistic");
  EXPECT_TRUE(model->warnings.empty());
  const auto& forest = std::get<Forest>(model->scorer);
  EXPECT_EQ(forest.base[0], 0.0);
  EXPECT_TRUE(forest.tree(0)[0].default_left());
}

TEST(XgboostModel, TakesTreesInTheOrderOfTheirIds) {
  std::string text = replaced(model_text(), "\"id\":1", "\"id\":9");
  text = replaced(text, "\"id\":0", "\"id\":1");
  text = replaced(text, "\"id\":9", "\"id\":0");
  text = replaced(text, "-1E0,1E0", "-3E0,3E0");  // of the tree that stands first, with id 1
  const auto model = read_xgboost_json(text);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto& forest = std::get<Forest>(model->scorer);
  EXPECT_EQ(forest.leaf_values[0], -1);
  EXPECT_EQ(forest.leaf_values[2], -3);
}

TEST(XgboostModel, RefusesTreesThatAreNone) {
  EXPECT_TRUE(has(refusal_with("\"left_children\":[1,", "\"left_children\":[3,"),
                  "tree 0, node 0: child 3"));
  EXPECT_TRUE(has(refusal_with("\"left_children\":[1,", "\"left_children\":[0,"),
                  "tree 0, node 0: child 0"));
  EXPECT_TRUE(has(refusal_with("\"left_children\":[1,", "\"left_children\":[2,"),
                  "tree 0, node 2 has two parents"));
  EXPECT_TRUE(
      has(refusal_with("\"left_children\":[1,-1", "\"left_children\":[1,2"), "tree 0, node 1"));
  EXPECT_TRUE(has(refusal_with("\"left_children\":[1,", "\"left_children\":[99999999999,"),
                  "tree 0, node 0: child 99999999999"));
  EXPECT_TRUE(has(refusal_with("\"split_indices\":[0", "\"split_indices\":[2"), "feature 2"));
  EXPECT_TRUE(has(refusal_with("\"split_indices\":[0", "\"split_indices\":[-1"), "feature -1"));
  EXPECT_TRUE(has(refusal_with("[5E-1,-1E0,1E0]", "[5E-1,-1E0]"),
                  "tree 0: \"split_conditions\" holds 2 values for 3 nodes"));
  EXPECT_TRUE(has(refusal_with("[5E-1,-1E0,1E0]", "[5E-1,x,1E0]"), "element 1"));
  EXPECT_TRUE(has(refusal_with("\"num_nodes\":\"3\"", "\"num_nodes\":\"-3\""), "-3 nodes"));
  EXPECT_TRUE(has(refusal_with("\"num_nodes\":\"3\"", "\"num_nodes\":\"2000000000\""),
                  "tree 0: \"left_children\" holds 3"));
  EXPECT_TRUE(has(refusal_with("\"split_type\":[0", "\"split_type\":[7"), "kind of split 7"));
  EXPECT_TRUE(has(refusal_with("\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"5\""),
                  "leaves of 5 values"));
}

TEST(XgboostModel, RefusesTreesThatDoNotFitTheModel) {
  EXPECT_TRUE(has(refusal_with("\"tree_info\":[0,0]", "\"tree_info\":[0]"), "1 values for 2"));
  EXPECT_TRUE(has(refusal_with("\"tree_info\":[0,0]", "\"tree_info\":[0,1]"),
                  "tree 1 adds to output 1 of 1"));
  EXPECT_TRUE(has(refusal_with("\"id\":1", "\"id\":0"), "id 0"));
  EXPECT_TRUE(has(refusal_with("\"id\":1", "\"id\":2"), "id 2"));
}

TEST(XgboostModel, RefusesCategoriesOutOfPlace) {
  const std::string text = replaced(model_text(), "\"split_type\":[0", "\"split_type\":[1");
  const auto with = [&](const char* nodes, const char* begin, const char* size, const char* all) {
    std::string changed = filled(text, "\"categories\":[", all);
    changed = filled(changed, "\"categories_nodes\":[", nodes);
    changed = filled(changed, "\"categories_segments\":[", begin);
    return refusal(filled(changed, "\"categories_sizes\":[", size));
  };
  EXPECT_EQ(with("0", "0", "2", "3,40"), "accepted");
  EXPECT_TRUE(has(with("3", "0", "2", "3,40"), "node 3 of 3"));
  EXPECT_TRUE(has(with("0", "1", "2", "3,40"), "tree 0, node 0: its categories lie outside"));
  EXPECT_TRUE(has(with("0", "0", "-1", "3,40"), "tree 0, node 0"));
  EXPECT_TRUE(has(with("0", "0,1", "2", "3,40"), "differ in number"));
  EXPECT_TRUE(has(with("0", "0", "2", "3,-40"), "category -40"));
}

TEST(XgboostModel, RefusesParametersOutOfRange) {
  EXPECT_TRUE(has(refusal_with("[5E-1]", "[5E-1,5E-1]"), "2 values for 1 outputs"));
  EXPECT_TRUE(has(refusal_with("[5E-1]", "[]"), "\"base_score\" is empty"));
  EXPECT_TRUE(has(refusal_with("[5E-1]", "NaN"), "not finite"));
  EXPECT_TRUE(has(refusal_with("\"num_class\":\"0\"", "\"num_class\":\"2000000000\""),
                  "2000000000 outputs"));
  EXPECT_TRUE(has(
      refusal_with("\"num_feature\":\"2\",\"num_target\"", "\"num_feature\":\"-2\",\"num_target\""),
      "\"num_feature\" is -2"));
  EXPECT_TRUE(has(refusal_with("\"name\":\"gbtree\"", "\"name\":\"gbforest\""), "gbforest"));
  EXPECT_TRUE(has(refusal_with("\"trees\"", "\"tress\""), "no field \"trees\""));
  EXPECT_TRUE(has(refusal_with("\"learner\"", "\"oblivious_trees\""), "no field \"learner\""));
  EXPECT_TRUE(has(refusal_with("\"feature_names\":[]", "\"feature_names\":[\"a\"]"), "1 names"));
}

TEST(XgboostModel, RefusesCategorySetsThatWouldFillTheMemory) {
  // Each set of one category just below 2^24 takes 2 MB.
  std::string trees, info;
  std::string tree = replaced(kTree, "\"split_type\":[0", "\"split_type\":[1");
  tree = filled(tree, "\"categories\":[", "16777215");
  tree = filled(tree, "\"categories_nodes\":[", "0");
  tree = filled(tree, "\"categories_segments\":[", "0");
  tree = filled(tree, "\"categories_sizes\":[", "1");
  for (int t = 0; t < 200; ++t) {
    trees.append(t ? "," : "").append(replaced(tree, "ID", std::to_string(t)));
    info += t ? ",0" : "0";
  }
  std::string text = replaced(kModel, "TREE0,TREE1", trees);
  text = replaced(text, "\"tree_info\":[0,0", std::string("\"tree_info\":[").append(info));
  EXPECT_TRUE(has(refusal(text), "category sets take far more memory"));
}

TEST(XgboostModel, EveryTruncationIsAnError) {
  const std::string text = model_text();
  for (size_t n = 0; n < text.size(); n += 7)
    EXPECT_FALSE(read_xgboost_json(std::span(text.data(), n)).ok()) << n;
}

TEST(XgboostModel, WarnsOfVersionsBeyondThoseTested) {
  const auto newer = read_xgboost_json(replaced(model_text(), "[3,2,0]", "[9,1,0]"));
  ASSERT_TRUE(newer.ok());
  ASSERT_EQ(newer->warnings.size(), 1u);
  EXPECT_TRUE(has(newer->warnings[0], "9.1.0"));
  const auto custom = read_xgboost_json(replaced(model_text(), "binary:logistic", "my:own"));
  ASSERT_TRUE(custom.ok());
  EXPECT_TRUE(has(custom->warnings[0], "my:own"));
}

}  // namespace
}  // namespace spinney::load
