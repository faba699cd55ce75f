// Files: they bring everything back, and whatever is damaged is refused before it is used.
#include "spinney/prepare/serialize.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "spinney/prepare/prepare.h"

namespace spinney::prepare {
namespace {

Options rich_options() {
  Options options;
  options.normalization = Normalization::kQuantile;
  options.quantile_count = 5;
  options.missing = Fill::kMostFrequent;
  options.outliers = OutlierRule::kIqr;
  options.clip = true;
  options.clip_low = -50;
  options.clip_high = 50;
  options.sketch_size = 64;
  return options;
}

Statistics rich_statistics() {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(0, 9);
  std::vector<double> values(3 * 2500);
  for (double& value : values) value = std::round(normal(random));
  auto statistics = *Statistics::make(rich_options(), 3);
  EXPECT_TRUE(statistics.update(dense_rows(values.data(), 2500, 3), run_serially).ok());
  return statistics;
}

TEST(Serialize, StatisticsGoOnWhereTheyWere) {
  Statistics before = rich_statistics();
  auto after = Statistics::from_bytes(before.to_bytes());
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(after->to_bytes(), before.to_bytes());
  const double more[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (Statistics* statistics : {&before, &*after})
    for (int i = 0; i < 1000; ++i)
      ASSERT_TRUE(statistics->update(dense_rows(more, 3, 3), run_serially).ok());
  EXPECT_EQ(after->to_bytes(), before.to_bytes());
  EXPECT_EQ(write_recipe(*after->recipe()), write_recipe(*before.recipe()));
}

TEST(Serialize, RecipesComeBack) {
  const auto bytes = write_recipe(*rich_statistics().recipe());
  const auto again = read_recipe(bytes);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(write_recipe(*again), bytes);
}

TEST(Serialize, FilesRefuseEveryFlippedBitAndEveryLength) {
  const auto bytes = write_file({{2, write_recipe(*rich_statistics().recipe())}, {7, {'x'}}});
  const auto parts = read_file(bytes);
  ASSERT_TRUE(parts.ok());
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[1].kind, 7u);
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_FALSE(read_file(damaged).ok()) << "byte " << i << " bit " << bit;
    }
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(read_file(std::span(bytes).first(n)).ok()) << n << " bytes";
  auto longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(read_file(longer).ok());
}

TEST(Serialize, NewerVersionsAreNamed) {
  auto bytes = write_file({});
  const uint32_t newer = kFileVersion + 1;
  std::memcpy(bytes.data() + offsetof(FileHeader, version), &newer, sizeof newer);
  const auto read = read_file(bytes);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, Code::kUnsupported);
}

// Damage that a checksum does not show, since it was made again: every result is an error or safe.
TEST(Serialize, DamagedContentsAreRefusedOrHarmless) {
  const auto recipe = write_recipe(*rich_statistics().recipe());
  const auto statistics = rich_statistics().to_bytes();
  std::mt19937_64 random(2);
  for (int round = 0; round < 4000; ++round) {
    auto damaged = round % 2 ? recipe : statistics;
    for (uint64_t i = 0; i <= random() % 3; ++i)
      damaged[random() % std::min<size_t>(damaged.size(), 900)] = static_cast<char>(random());
    if (round % 5 == 0) damaged.resize(random() % damaged.size());
    if (round % 2) {
      auto read = read_recipe(damaged);
      if (!read.ok()) continue;
      const auto program = *Program::make(std::move(read).value());
      std::vector<float> row(program->width(), 0.5f), out(row.size());
      program->run_packed(row.data(), 1, out.data());
    } else {
      auto read = Statistics::from_bytes(damaged);
      if (read.ok()) static_cast<void>(read->recipe());
    }
  }
}

TEST(Serialize, DeclaredSizesAreNotBelieved) {
  auto bytes = write_recipe(*rich_statistics().recipe());
  const uint64_t huge = uint64_t{1} << 60;
  // The first table's length follows seven marks, three numbers and a count.
  std::memcpy(bytes.data() + 7 + 24 + 4, &huge, sizeof huge);
  const auto read = read_recipe(bytes);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("are declared"), std::string::npos);
}

}  // namespace
}  // namespace spinney::prepare
