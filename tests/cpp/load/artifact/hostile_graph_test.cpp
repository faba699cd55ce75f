// Artifacts of graphs whose checksums are right and whose contents are made to mislead.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "load/artifact/hostile.h"
#include "spinney/load/load.h"
#include "spinney/model/graph.h"

namespace spinney::load {
namespace {

// A vote of two classifiers, the second of which sees selected columns, that also has nodes for its
// classes and values.
Description graph_model() {
  GraphBuilder builder;
  const auto model = std::make_shared<const Description>(whole(classifier(3)));
  EXPECT_TRUE(builder.add(InputNode{2}).ok());
  const uint32_t swapped = builder.add(SelectNode{0, {1, 0}}).value();
  const uint32_t first = builder.add(ScoreNode{0, AnswerOf::kClasses, model}).value();
  const uint32_t values = builder.add(ScoreNode{0, AnswerOf::kProbabilities, model}).value();
  const uint32_t second = builder.add(ScoreNode{swapped, AnswerOf::kClasses, model}).value();
  CombineNode votes;
  votes.combination = Combination::kMajorityVote;
  votes.arithmetic = NumberType::kFloat32;
  votes.n_outputs = 3;
  votes.parts = {{first, {}, 1}, {second, {2, 1, 0}, 1.5}};
  const uint32_t scores = builder.add(std::move(votes)).value();
  DescriptionParts parts = classifier(3);
  parts.output.decision = Decision::kByNode;
  parts.scorer = std::move(builder).finish({scores, values, first}).value();
  return whole(std::move(parts));
}

// The description's bytes with a number of four bytes at `place` changed.
std::string refusal_of(std::vector<char> bytes, size_t place, uint32_t number) {
  ArtifactSection description;
  std::memcpy(&description, bytes.data() + sizeof(ArtifactHeader), sizeof description);
  std::memcpy(bytes.data() + description.offset + place, &number, sizeof number);
  stamp(bytes);
  const auto read = read_artifact(std::span<const char>(bytes));
  return read.ok() ? "accepted" : read.error().message;
}

TEST(HostileArtifact, GraphsHaveNoCyclesAndNoLooseEnds) {
  const std::vector<char> good = artifact_bytes(graph_model()).value();
  // The scorer's kind, the number of nodes, the input's kind and columns, a selection's kind.
  constexpr size_t kCount = 1, kColumns = kCount + 5, kFrom = kColumns + 5, kFirst = kFrom + 8;
  EXPECT_EQ(refusal_of(good, kCount, 6), "accepted");
  EXPECT_NE(refusal_of(good, kCount, 1'000'000).find("declares 1000000 elements"),
            std::string::npos);
  EXPECT_NE(refusal_of(good, kColumns, 0xffffffffu).find("is given 4294967295 columns and reads 2"),
            std::string::npos);
  for (const uint32_t number : {1u, 4u, 0xffffffffu}) {
    const std::string said = refusal_of(good, kFrom, number);
    EXPECT_NE(said.find("node 1 of the artifact's graph of 6: it reads node"), std::string::npos);
    EXPECT_NE(said.find("which does not come before it"), std::string::npos) << said;
  }
  EXPECT_NE(refusal_of(good, kFirst, 2).find("it reads column 2 of 2"), std::string::npos);
}

// 24 bytes for each of them would be room enough in a file of 24 MB.
TEST(HostileArtifact, AMillionNodesAreTooMany) {
  const std::vector<char> good = artifact_bytes(graph_model()).value();
  ArtifactSection description;
  std::memcpy(&description, good.data() + sizeof(ArtifactHeader), sizeof description);
  std::vector<char> nodes;
  const auto put = [&](auto number) {
    const auto* bytes = reinterpret_cast<const char*>(&number);
    nodes.insert(nodes.end(), bytes, bytes + sizeof number);
  };
  put(uint8_t{3});
  put(uint32_t{1'000'000});
  put(uint8_t{0});
  put(uint32_t{2});
  for (size_t i = 1; i < 1'000'000; ++i) {
    put(uint8_t{1});
    put(uint32_t{0});
    put(uint32_t{1});
    put(uint32_t{0});
  }
  ArtifactHeader header;
  std::memcpy(&header, good.data(), sizeof header);
  header.section_count = 1;
  description.offset = 2 * kArtifactAlignment;
  description.bytes = nodes.size();
  header.file_bytes = description.offset + nodes.size();
  std::vector<char> bytes(description.offset, 0);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, &description, sizeof description);
  bytes.insert(bytes.end(), nodes.begin(), nodes.end());
  stamp(bytes);
  const auto read = read_artifact(std::span<const char>(bytes));
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("more than 131072 nodes"), std::string::npos)
      << read.error().message;
}

TEST(HostileArtifact, ModelsAreSharedByOnePassAlone) {
  const Description model = graph_model();
  const Graph& graph = *std::get<GraphPtr>(model.scorer);
  const auto model_of = [](const Graph& of, size_t node) {
    return std::get<ScoreNode>(of.nodes()[node]).model.get();
  };
  const auto read = read_artifact(std::span<const char>(artifact_bytes(model).value())).value();
  const Graph& again = *std::get<GraphPtr>(read.scorer);
  EXPECT_EQ(model_of(graph, 2), model_of(graph, 4));
  EXPECT_EQ(model_of(again, 2), model_of(again, 3));
  EXPECT_NE(model_of(again, 2), model_of(again, 4));  // asked about other columns
}

class EveryByte : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(HostileArtifact, EveryByte, testing::Bool());

// Any byte of any section; what is accepted must be harmless to run.
TEST_P(EveryByte, MayLie) {
  const std::vector<char> good =
      artifact_bytes(GetParam() ? graph_model() : whole(classifier(3))).value();
  const float x[] = {0.25f, 0.75f, -1, 1e30f};
  size_t accepted = 0;
  for (size_t i = sizeof(ArtifactHeader); i < good.size(); ++i)
    for (const int value : {0, 1, 0x7f, 0xff}) {
      std::vector<char> bytes = good;
      ArtifactHeader header;
      std::memcpy(&header, good.data(), sizeof header);
      if (i < sizeof header + header.section_count * sizeof(ArtifactSection)) continue;
      bytes[i] = static_cast<char>(value);
      stamp(bytes);
      const auto model = Model::from_bytes(std::span<const char>(bytes), Format::kSpinney);
      if (!model.ok() || model->n_features() != 2) continue;
      ++accepted;
      std::vector<double> out(2 * std::max<size_t>({model->n_outputs(), model->value_columns(),
                                                    model->probability_columns()}));
      std::vector<int32_t> leaves(2 * model->description().n_trees());
      std::vector<int32_t> classes(2 * model->target_columns());
      const Rows rows = dense_rows(x, 2, 2);
      (void)model->predict_raw(rows, out.data());
      (void)model->predict_values(rows, out.data());
      (void)model->predict_proba(rows, out.data());
      (void)model->predict_leaf(rows, leaves.data());
      if (!model->predict_classes(rows, classes.data()).ok()) continue;
      const Output& output = model->description().output;
      for (size_t k = 0; k < classes.size() && !output.labels.empty(); ++k)
        EXPECT_LT(static_cast<size_t>(classes[k]), output.labels[k % output.labels.size()].size());
    }
  EXPECT_GT(accepted, 100u);
}

}  // namespace
}  // namespace spinney::load
