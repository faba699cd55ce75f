// Artifacts whose checksums are right and whose contents are made to mislead: refused when they are
// read or when a plan is made of them, or harmless.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "load/artifact/hostile.h"
#include "spinney/load/artifact/artifact.h"
#include "spinney/load/artifact/file.h"
#include "spinney/load/load.h"
#include "spinney/model/ensemble.h"
#include "spinney/model/sparse_blocks.h"
#include "spinney/spinney.h"

namespace spinney::load {
namespace {

TEST(HostileArtifact, TheModelThatTheseChangeIsAccepted) {
  EXPECT_EQ(verdict(classifier(3)), "accepted");
}

// Classes that a member is said to have would stand for its values, which are written one by one.
TEST(HostileArtifact, MembersThatGiveValuesPlaceNoClasses) {
  for (const Combination combination : {Combination::kMeanValue, Combination::kWeightedMedian}) {
    DescriptionParts inner;
    inner.scorer = make_forest(stumps(3, false)).value();
    Ensemble ensemble;
    ensemble.combination = combination;
    ensemble.n_features = 2;
    ensemble.members = {{std::make_shared<Description>(whole(inner)), {}, {0, 0, 0}, 1}};
    auto made = make_ensemble(ensemble);
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.error().message.find("classes, and the ensemble combines values"),
              std::string::npos)
        << made.error().message;
    ensemble.n_outputs = 4'000'000'000u;  // of which no byte of the file speaks
    EXPECT_FALSE(make_ensemble(ensemble).ok());
  }
}

// They would be added up as if they were codes.
TEST(HostileArtifact, CodedLeavesHaveNoOthersForAMatrix) {
  DescriptionParts model = classifier(3);
  ForestParts coded = stumps(3, false);
  coded.leaf_values.assign(coded.leaf_values.size(), 1);
  coded.matrix_leaf_values.assign(coded.leaf_values.size(), 0.3);
  model.scorer = make_forest(coded).value();
  model.quantization =
      Quantization{CodeType::kInt8, NumberType::kFloat32, {1, 1, 1}, {0, 0, 0}, {}};
  EXPECT_NE(verdict(model).find("no sums of integer codes"), std::string::npos) << verdict(model);
  coded.matrix_leaf_values = {};
  model.scorer = make_forest(coded).value();
  EXPECT_EQ(verdict(model), "accepted");
}

TEST(HostileArtifact, ProbabilitiesAreAsManyAsTheLabelsThatCutThemUp) {
  DescriptionParts model = classifier(3);
  model.output.decision = Decision::kValues;
  Labels many;
  many.values = std::vector<int64_t>(1000, 1);
  model.output.labels = {many, many};
  EXPECT_NE(verdict(model).find("names 2000 classes of 2 targets and has 3 probabilities"),
            std::string::npos);
  Labels pair;
  pair.values = std::vector<int64_t>{0, 1};
  model.output.decision = Decision::kThreshold;
  model.output.labels = {pair, pair};
  EXPECT_NE(verdict(model).find("has 3 probabilities"), std::string::npos);
}

TEST(HostileArtifact, MembersHaveAProbabilityForEachOfTheirClasses) {
  DescriptionParts inner = classifier(3);
  // Its labels are right for the scores it decides by, but it has one value only.
  inner.output.link.kind = LinkKind::kXgbMultiArgmax;
  inner.output.decision_on_raw = true;
  Ensemble ensemble;
  ensemble.combination = Combination::kMeanProbability;
  ensemble.n_features = 2;
  ensemble.n_outputs = 3;
  ensemble.members = {{std::make_shared<Description>(whole(inner)), {}, {}, 1}};
  const auto made = make_ensemble(std::move(ensemble));
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("member 0 of 1: it does not have one probability for each"),
            std::string::npos);
}

TEST(HostileArtifact, WideLeavesHaveARowEach) {
  ForestParts parts = stumps(40, true);
  parts.leaf_values.resize(40);
  for (Node& node : parts.nodes)
    if (node.is_leaf()) node.feature = 0;
  const auto forest = make_forest(std::move(parts));
  ASSERT_FALSE(forest.ok());
  EXPECT_NE(forest.error().message.find("80 leaves share 1 rows of 40 values"), std::string::npos);
}

TEST(HostileArtifact, KernelsDoNotPadWideLeaves) {
  DescriptionParts model;
  model.scorer = make_forest(stumps(1500, true)).value();
  const auto made = Model::make(std::make_shared<Description>(whole(std::move(model))));
  ASSERT_TRUE(made.ok()) << made.error().message;
  // Room for 64 leaves a tree would be 576 MB.
  EXPECT_LT(made->plan().bytes(), size_t{100} << 20);
}

TEST(HostileArtifact, ASectionIsOneArray) {
  const Description model = whole(classifier(3));
  std::vector<char> bytes = artifact_bytes(model).value();
  ArtifactSection description;
  std::memcpy(&description, bytes.data() + sizeof(ArtifactHeader), sizeof description);
  // The forest's first two arrays, tree_begin and tree_target, are both of four-byte elements.
  const char numbers[] = {1, 0, 0, 0, 2, 0, 0, 0};
  const auto first = bytes.begin() + static_cast<ptrdiff_t>(description.offset);
  const auto found = std::search(first, bytes.end(), std::begin(numbers), std::end(numbers));
  ASSERT_NE(found, bytes.end());
  found[4] = 1;
  stamp(bytes);
  const auto read = read_artifact(std::span<const char>(bytes));
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("section 1 of the artifact is named twice"),
            std::string::npos);
}

class HostileFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "spinney_hostile_" + std::to_string(::getpid());
    ASSERT_TRUE(write_artifact(whole(classifier(3)), path_).ok());
  }
  void TearDown() override { std::remove(path_.c_str()); }

  // Every byte behind the header and table, in place.
  void overwrite(char value) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    const auto size = static_cast<size_t>(file.tellg());
    file.seekp(sizeof(ArtifactHeader));
    const std::string bytes(size - sizeof(ArtifactHeader), value);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  Result<Model> load(bool copy) { return Model::load(path_, LoadOptions{Format::kGuess, copy}); }

  std::string path_;
};

std::vector<float> scores_of(const Model& model) {
  const float x[] = {0.25f, 0.75f, -1, 1e30f};
  std::vector<float> scores(2 * model.n_outputs());
  EXPECT_TRUE(model.predict_raw(dense_rows(x, 2, 2), scores.data()).ok());
  std::vector<int32_t> leaves(2 * model.description().n_trees());
  EXPECT_TRUE(model.predict_leaf(dense_rows(x, 2, 2), leaves.data()).ok());
  EXPECT_EQ(leaves, (std::vector<int32_t>{1, 1, 1, 1, 1, 1}));
  return scores;
}

TEST_F(HostileFile, ACopyStaysWhatItWas) {
  const auto model = load(true);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const std::vector<float> before = scores_of(*model);
  overwrite(0x7f);
  EXPECT_EQ(scores_of(*model), before);
  std::ofstream(path_, std::ios::trunc).close();  // would end the process if it were mapped
  EXPECT_EQ(scores_of(*model), before);
  EXPECT_TRUE(model->to_bytes().ok());
}

// Children, features and sets were copied; only values are those of the file.
TEST_F(HostileFile, AMappingThatChangesLeadsNowhereElse) {
  const auto model = load(false);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const Forest before = std::get<Forest>(model->description().scorer);
  const std::vector<Node> nodes(before.nodes.begin(), before.nodes.end());
  EXPECT_EQ(before.leaf_values[0], 0.25);
  for (const char value : {'\x7f', '\xff', '\x00'}) {
    overwrite(value);
    EXPECT_NE(before.leaf_values[0], 0.25) << "it was not mapped";
    EXPECT_EQ(std::memcmp(before.nodes.data(), nodes.data(), nodes.size() * sizeof(Node)), 0);
    (void)scores_of(*model);
    EXPECT_TRUE(model->to_bytes().ok());
  }
}

TEST_F(HostileFile, AMappingThatIsReplacedStaysWhatItWas) {
  const auto model = load(false);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const std::vector<float> before = scores_of(*model);
  ASSERT_TRUE(write_artifact(whole(classifier(5)), path_).ok());
  EXPECT_EQ(scores_of(*model), before);
  EXPECT_EQ(load(false)->n_outputs(), 5u);
}

TEST_F(HostileFile, ErrorsNameTheFile) {
  ASSERT_EQ(::truncate(path_.c_str(), 100), 0);
  for (const bool copy : {true, false}) {
    const auto model = load(copy);
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().message.find(path_ + ": the artifact is cut short"), 0u);
  }
  const auto missing = load_file(path_ + "_none");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

TEST_F(HostileFile, OnlyAnArtifactIsMapped) {
  std::ofstream(path_, std::ios::trunc) << "{}";
  const auto model = load(false);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, Code::kInvalidArgument);
  EXPECT_NE(model.error().message.find("is not a .spinney file"), std::string::npos);
}

// Another thread may change a caller's arrays between two blocks.
TEST(HostileRows, SparseArraysThatChangeMeanwhile) {
  const std::vector<float> values(6, 1);
  std::vector<int32_t> columns{0, 1, 0, 1, 0, 1}, begin{0, 2, 4, 6};
  SparseRows rows{values.data(),  NumberType::kFloat32, 6, begin.data(),
                  columns.data(), IndexType::kInt32,    3, 2};
  auto blocks = SparseBlocks::make(rows, false, 1);
  ASSERT_TRUE(blocks.ok());
  ASSERT_TRUE(blocks->next().ok());
  columns[0] = INT32_MAX;  // of the block that is cleared next
  columns[1] = -5;
  begin[3] = INT32_MAX;  // of one that is not read yet
  ASSERT_TRUE(blocks->next().ok());
  ASSERT_TRUE(blocks->next().ok());
  begin[2] = INT32_MIN;
  EXPECT_EQ(blocks->next()->count, 0u);
}

}  // namespace
}  // namespace spinney::load
