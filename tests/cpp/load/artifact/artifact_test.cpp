// The .spinney artifact: everything comes back, arrays stay in the mapping, and damaged files are
// refused with the reason.
#include "spinney/load/artifact/artifact.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "load/artifact/models.h"
#include "spinney/load/artifact/file.h"
#include "spinney/load/load.h"
#include "spinney/model/graph.h"
#include "spinney/spinney.h"

namespace spinney::load {
namespace {

std::string refusal(const std::vector<char>& bytes) {
  const auto model = read_artifact(std::span<const char>(bytes));
  return model.ok() ? "accepted" : model.error().message;
}

// Writes the checksums that a damaged file would need to be believed.
void stamp(std::vector<char>& bytes) {
  ArtifactHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const size_t front = sizeof header + header.section_count * sizeof(ArtifactSection);
  for (size_t at = sizeof header; at < front; at += sizeof(ArtifactSection)) {
    ArtifactSection section;
    std::memcpy(&section, bytes.data() + at, sizeof section);
    if (section.offset > bytes.size() || section.bytes > bytes.size() - section.offset) continue;
    section.checksum = artifact_checksum({bytes.data() + section.offset, section.bytes});
    std::memcpy(bytes.data() + at, &section, sizeof section);
  }
  header.checksum = 0;
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = artifact_checksum({bytes.data(), front});
  std::memcpy(bytes.data(), &header, sizeof header);
}

template <typename T>
void put(std::vector<char>& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

TEST(Artifact, EveryFieldComesBack) {
  for (const Description& model :
       {forest_model(), coded_model(), text_model(), linear_model(), ensemble_model()}) {
    const std::vector<char> written = bytes_of(model);
    const auto read = read_artifact(std::span<const char>(written));
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read->source.format, "spinney");
    // The writer lists every field, so that a second writing differs if any was lost.
    EXPECT_EQ(bytes_of(as_pickled(*read)), written);
  }
  const std::vector<char> written = bytes_of(ensemble_model());
  const auto read = read_artifact(std::span<const char>(written)).value();
  const Graph& graph = *std::get<GraphPtr>(read.scorer);
  EXPECT_EQ(std::get<SelectNode>(graph.nodes()[1]).columns, (std::vector<uint32_t>{4, 0, 0}));
  EXPECT_EQ(std::get<CombineNode>(graph.nodes()[5]).parts[0].places, (std::vector<uint32_t>{1, 0}));
  const Description& first = *std::get<ScoreNode>(graph.nodes()[2]).model;
  EXPECT_EQ(std::get<std::vector<std::string>>(first.output.labels[0].values)[1], "yes, \xc3\xa9");
  EXPECT_EQ(std::get<std::vector<double>>(first.categories[1].values)[0], 0.5);
  EXPECT_EQ(first.feature_names, (std::vector<std::string>{"a", "", "c"}));
  EXPECT_EQ(first.warnings.size(), 1u);
  EXPECT_EQ(std::to_string(first.trees.in_file) + first.trees.rule, "9best_iteration=3");
  const auto& forest = std::get<Forest>(first.scorer);
  EXPECT_EQ(forest.settings().missing_value, -999);
  EXPECT_EQ(forest.settings().divisor, 2.5);
  EXPECT_EQ(forest.settings().scale, 0.5);
  EXPECT_EQ(forest.shift[1], -2);
  EXPECT_EQ(forest.nodes[3].missing, MissingRule::kZeroOrNan);
  EXPECT_EQ(forest.linear_leaves[1].first_term, 1u);
}

TEST(Artifact, KeepsWhatColumnsAre) {
  const Description model = text_model();
  const auto read = read_artifact(std::span<const char>(bytes_of(model)));
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_NE(read->schema, nullptr);
  EXPECT_EQ(*read->schema, *model.schema);
  const auto plain = read_artifact(std::span<const char>(bytes_of(forest_model())));
  EXPECT_EQ(plain.value().schema, nullptr);
}

TEST(Artifact, ChecksWhatColumnsAre) {
  const std::vector<char> good = bytes_of(text_model());
  const char value[] = {1, 0, 0, 0, 'x'};  // the second text of the third column
  auto found = std::search(good.begin(), good.end(), value, value + sizeof value);
  ASSERT_NE(found, good.end());
  const auto at = static_cast<size_t>(found - good.begin());
  std::vector<char> bytes = good;
  bytes[at + 4] = static_cast<char>(0xff);
  stamp(bytes);
  EXPECT_NE(refusal(bytes).find("lists a value that is no text"), std::string::npos);
  bytes = good;
  bytes[at - 9] = 9;  // the kind, before two numbers of texts and the first text's length
  stamp(bytes);
  EXPECT_NE(refusal(bytes).find("unknown choice 9"), std::string::npos) << refusal(bytes);
  bytes = good;
  put<uint32_t>(bytes, at - 8, 0xffffffu);
  stamp(bytes);
  EXPECT_NE(refusal(bytes).find("declares 16777215 elements"), std::string::npos);
}

TEST(Artifact, IsTheSameWhoeverWritesIt) {
  const std::vector<char> bytes = bytes_of(forest_model());
  // Pinned so that a change of layout is noticed and the version raised.
  EXPECT_EQ(artifact_checksum(bytes), uint64_t{8864728209518302184u}) << "size " << bytes.size();
}

// A new field must be listed in artifact_fields.h (and set in describe() above); then adjust these.
// TreesUsed::per_iteration and first are left out: an artifact keeps what was chosen. So are
// `beside`, which a container held, and Linear::own_bias, which XGBoost's own file keeps.
TEST(Artifact, KnowsEveryField) {
  EXPECT_EQ(sizeof(DescriptionParts) - sizeof(DescriptionParts::scorer) - sizeof(Output), 752u);
  EXPECT_EQ(sizeof(Quantization), 80u);
  EXPECT_EQ(sizeof(Output), 120u);
  EXPECT_EQ(sizeof(Labels), 72u);
  EXPECT_EQ(sizeof(ForestSettings), 48u);
  EXPECT_EQ(sizeof(Forest) - sizeof(ForestSettings), 424u);
  EXPECT_EQ(sizeof(Linear), 136u);
  EXPECT_EQ(sizeof(SelectNode), 32u);
  EXPECT_EQ(sizeof(JoinNode), 24u);
  EXPECT_EQ(sizeof(ScoreNode), 24u);
  EXPECT_EQ(sizeof(CombineNode), 40u);
  EXPECT_EQ(sizeof(CombinedPart), 40u);
  EXPECT_EQ(sizeof(GraphAnswers), 12u);
  EXPECT_EQ(sizeof(ColumnCategories), 40u);
  EXPECT_EQ(sizeof(Source), 128u);
  EXPECT_EQ(sizeof(SchemaColumn), 72u);
}

TEST(Artifact, SectionsStartOnLines) {
  const std::vector<char> bytes = bytes_of(forest_model());
  ArtifactHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  EXPECT_EQ(header.file_bytes, bytes.size());
  for (size_t i = 0; i < header.section_count; ++i) {
    ArtifactSection section;
    std::memcpy(&section, bytes.data() + sizeof header + i * sizeof section, sizeof section);
    EXPECT_EQ(section.offset % kArtifactAlignment, 0u);
  }
}

TEST(Artifact, EveryTruncationIsRefused) {
  const std::vector<char> bytes = bytes_of(ensemble_model());
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(refusal({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n)}), "accepted") << n;
  std::vector<char> longer = bytes;
  longer.push_back(0);
  EXPECT_NE(refusal(longer).find("followed by other data"), std::string::npos);
}

TEST(Artifact, EveryFlippedBitIsRefused) {
  const std::vector<char> bytes = bytes_of(forest_model());
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<char> damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_NE(refusal(damaged), "accepted") << "byte " << i << ", bit " << bit;
    }
}

TEST(Artifact, SaysWhatIsWrongWithTheHeader) {
  const std::vector<char> good = bytes_of(forest_model());
  std::vector<char> bytes = good;
  bytes[1] = 'X';
  EXPECT_NE(refusal(bytes).find("not a Spinney artifact"), std::string::npos);
  bytes = good;
  put<uint32_t>(bytes, offsetof(ArtifactHeader, version), kArtifactVersion + 1);
  EXPECT_NE(refusal(bytes).find("format version 5 and this build reads versions up to 4"),
            std::string::npos);
  bytes = good;
  put<uint32_t>(bytes, offsetof(ArtifactHeader, section_count), 0xffffffffu);
  EXPECT_NE(refusal(bytes).find("declares 4294967295 sections"), std::string::npos);
  bytes = good;
  bytes[sizeof(ArtifactHeader) + 20] = 9;
  EXPECT_NE(refusal(bytes).find("header does not have the checksum"), std::string::npos);
  bytes = good;
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  EXPECT_NE(refusal(bytes).find("does not have the checksum that it was written with"),
            std::string::npos);
}

TEST(Artifact, RefusesSectionsThatOverlapOrLieOutside) {
  const std::vector<char> good = bytes_of(forest_model());
  const size_t second = sizeof(ArtifactHeader) + sizeof(ArtifactSection);
  for (const uint64_t offset :
       {uint64_t{0}, uint64_t{64}, uint64_t{1}, ~uint64_t{0}, ~uint64_t{63}, uint64_t{1} << 40}) {
    std::vector<char> bytes = good;
    put(bytes, second + offsetof(ArtifactSection, offset), offset);
    stamp(bytes);
    EXPECT_NE(refusal(bytes).find("section 1 of the artifact should start"), std::string::npos);
  }
  for (const uint64_t size : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 40}) {
    std::vector<char> bytes = good;
    put(bytes, second + offsetof(ArtifactSection, bytes), size);
    stamp(bytes);
    EXPECT_NE(refusal(bytes), "accepted");
  }
  std::vector<char> bytes = good;
  put<uint32_t>(bytes, second + offsetof(ArtifactSection, kind), 77);
  stamp(bytes);
  EXPECT_NE(refusal(bytes).find("unknown kind 77"), std::string::npos);
  bytes = good;
  put<uint32_t>(bytes, second + offsetof(ArtifactSection, item_bytes), 8);
  stamp(bytes);
  EXPECT_NE(refusal(bytes).find("not the array expected, of 4-byte elements"), std::string::npos);
}

TEST(Artifact, SkipsOptionalSectionsOfUnknownKind) {
  const std::vector<char> good = bytes_of(forest_model());
  ArtifactHeader header;
  std::memcpy(&header, good.data(), sizeof header);
  const size_t front = sizeof header + header.section_count * sizeof(ArtifactSection);
  // Another entry fits where the table's padding is, if there is room for 32 bytes.
  const size_t room = (kArtifactAlignment - front % kArtifactAlignment) % kArtifactAlignment;
  ASSERT_GE(room, sizeof(ArtifactSection)) << "the model must leave room for one more section";
  std::vector<char> bytes = good;
  bytes.resize((good.size() + 63) / 64 * 64);
  ArtifactSection extra{kOptional | 9, 1, bytes.size(), 5, 0};
  bytes.insert(bytes.end(), {'e', 'x', 't', 'r', 'a'});
  put(bytes, front, extra);
  put<uint32_t>(bytes, offsetof(ArtifactHeader, section_count), header.section_count + 1);
  put<uint64_t>(bytes, offsetof(ArtifactHeader, file_bytes), bytes.size());
  stamp(bytes);
  EXPECT_EQ(refusal(bytes), "accepted");
}

// A believable file can still hold a model that no kernel may see.
TEST(Artifact, ValidatesTheForestInside) {
  std::vector<char> bytes = bytes_of(forest_model());
  const Node wanted = full_forest().nodes[3];
  const auto* raw = reinterpret_cast<const char*>(&wanted);
  const auto found = std::search(bytes.begin(), bytes.end(), raw, raw + sizeof wanted);
  ASSERT_NE(found, bytes.end());
  put<int32_t>(bytes, static_cast<size_t>(found - bytes.begin()) + offsetof(Node, left), 70);
  stamp(bytes);
  EXPECT_NE(refusal(bytes).find("tree 1, node 0: child 70"), std::string::npos);
}

TEST(Artifact, EveryByteOfTheDescriptionMayLie) {
  const std::vector<char> good = bytes_of(ensemble_model());
  ArtifactSection section;
  std::memcpy(&section, good.data() + sizeof(ArtifactHeader), sizeof section);
  for (size_t i = 0; i < section.bytes; ++i)
    for (const int value : {0, 1, 0xff}) {
      std::vector<char> bytes = good;
      bytes[section.offset + i] = static_cast<char>(value);
      stamp(bytes);
      auto model = read_artifact(std::span<const char>(bytes));
      if (model.ok()) (void)Model::make(std::make_shared<Description>(std::move(*model)));
    }
}

class ArtifactFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ =
      testing::TempDir() + "spinney_artifact_" + std::to_string(getpid());
  std::filesystem::path path_ = folder_ / "m.spinney";
};

TEST_F(ArtifactFile, SavedModelsAnswerTheSame) {
  for (const Description& described : {forest_model(), linear_model()}) {
    const auto model = Model::make(std::make_shared<Description>(described));
    ASSERT_TRUE(model.ok()) << model.error().message;
    const Status saved = model->save(path_);
    ASSERT_TRUE(saved.ok()) << saved.error().message;
    const auto loaded = Model::load(path_);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    const double x[] = {0.5, 2, 0.1, 1, -999, 3, std::nan(""), 0, 0};
    double before[6] = {}, after[6] = {};
    ASSERT_TRUE(model->predict_raw(dense_rows(x, 3, 3), before).ok());
    ASSERT_TRUE(loaded->predict_raw(dense_rows(x, 3, 3), after).ok());
    EXPECT_EQ(std::memcmp(before, after, sizeof before), 0);
  }
}

TEST_F(ArtifactFile, IsMappedAndOutlivesItsName) {
  ASSERT_TRUE(write_artifact(forest_model(), path_).ok());
  const auto model = load_file(path_, LoadOptions{Format::kGuess, false});
  ASSERT_TRUE(model.ok()) << model.error().message;
  ASSERT_TRUE(write_artifact(linear_model(), path_).ok());  // replaced beneath the mapping
  const auto& forest = std::get<Forest>(model->scorer);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(forest.leaf_values.data()) % kArtifactAlignment, 0u);
  EXPECT_EQ(forest.nodes[1].leaf_number(), 1);
  std::filesystem::remove(path_);
  EXPECT_EQ(bytes_of(as_pickled(*model)), bytes_of(forest_model()));
}

TEST_F(ArtifactFile, AFailedWriteLeavesNothing) {
  const Status status = write_artifact(forest_model(), folder_ / "none" / "m.spinney");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("none/m.spinney"), std::string::npos);
  std::filesystem::create_directory(path_);
  std::ofstream(path_ / "full") << "x";
  EXPECT_FALSE(write_artifact(forest_model(), path_).ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(ArtifactFile, WritersAtOnceLeaveOneWholeFile) {
  const Description forest = forest_model(), linear = linear_model();
  std::thread other([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(write_artifact(linear, path_).ok());
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(write_artifact(forest, path_).ok());
    EXPECT_TRUE(load_file(path_).ok());
  }
  other.join();
  EXPECT_TRUE(load_file(path_).ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace spinney::load
