#include "spinney/model/sparse_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "spinney/model/stored_entries.h"

namespace spinney {
namespace {

template <typename Index>
SparseRows view(const std::vector<float>& values, const std::vector<Index>& begin,
                const std::vector<Index>& columns, size_t width) {
  const IndexType type = sizeof(Index) == 4 ? IndexType::kInt32 : IndexType::kInt64;
  return {values.data(), NumberType::kFloat32, values.size(), begin.data(), columns.data(),
          type,          begin.size() - 1,     width};
}

TEST(SparseBlocks, EqualDenseRowsWhateverTheBlockSize) {
  std::mt19937 random(7);
  const size_t rows = 57;
  const size_t width = 13;
  std::vector<float> values;
  std::vector<int32_t> begin{0};
  std::vector<int32_t> columns;
  std::vector<float> dense(rows * width, 0.0f);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < width; ++c)
      if (random() % 3 == 0) {
        values.push_back(static_cast<float>(random() % 100));
        columns.push_back(static_cast<int32_t>(c));
        dense[r * width + c] = values.back();
      }
    begin.push_back(static_cast<int32_t>(values.size()));
  }
  for (const size_t bytes : {size_t{1}, size_t{200}, size_t{1} << 20}) {
    auto blocks = SparseBlocks::make(view(values, begin, columns, width), false, bytes);
    ASSERT_TRUE(blocks.ok());
    size_t seen = 0;
    while (true) {
      auto block = blocks->next();
      ASSERT_TRUE(block.ok());
      if (block->count == 0) break;
      for (size_t r = 0; r < block->count; ++r)
        for (size_t c = 0; c < width; ++c)
          ASSERT_EQ(block->at(r, c), static_cast<double>(dense[(seen + r) * width + c]));
      seen += block->count;
    }
    EXPECT_EQ(seen, rows);
  }
}

TEST(SparseBlocks, WithoutCellsHaveTheEntriesInOrderAndTheSameChecks) {
  const std::vector<float> values{1, 2, 3};
  const std::vector<int32_t> begin{0, 2, 2, 3};
  const std::vector<int32_t> columns{4, 0, 7};
  const size_t width = size_t{1} << 40;  // no dense row would fit
  auto blocks = SparseBlocks::without_cells(view(values, begin, columns, width));
  ASSERT_TRUE(blocks.ok());
  const Rows rows = blocks->next().value();
  EXPECT_EQ(rows.count, 3u);
  EXPECT_EQ(rows.data, nullptr);
  std::vector<double> seen;
  for (const size_t r : {2, 0})
    for_each_stored(rows, r, [&](size_t column, double value) {
      seen.insert(seen.end(), {static_cast<double>(column), value});
    });
  EXPECT_EQ(seen, (std::vector<double>{7, 3, 4, 1, 0, 2}));
  EXPECT_EQ(blocks->next().value().count, 0u);

  auto narrow = SparseBlocks::without_cells(view(values, begin, columns, 7));
  ASSERT_TRUE(narrow.ok());
  const auto refused = narrow->next();
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("row 2 has an entry in column 7 of 7"), std::string::npos);
  const std::vector<int32_t> backwards{0, 2, 1, 3};
  EXPECT_FALSE(SparseBlocks::without_cells(view(values, backwards, columns, 9)).ok());
}

TEST(SparseBlocks, AbsentIsNanWhereItMeansMissing) {
  const std::vector<float> values{1, 2};
  const std::vector<int64_t> begin{0, 1, 2};
  const std::vector<int64_t> columns{0, 1};
  auto blocks = SparseBlocks::make(view(values, begin, columns, 2), true, 1);
  ASSERT_TRUE(blocks.ok());
  const Rows first = blocks->next().value();
  EXPECT_EQ(first.at(0, 0), 1);
  EXPECT_TRUE(std::isnan(first.at(0, 1)));
  const Rows second = blocks->next().value();
  EXPECT_TRUE(std::isnan(second.at(0, 0)));
  EXPECT_EQ(second.at(0, 1), 2);
}

TEST(SparseBlocks, RefusesOffsetsAndColumnsOutOfRange) {
  const std::vector<float> values{1, 2};
  const std::vector<int64_t> columns{0, 2};
  const auto make = [&](const std::vector<int64_t>& begin) {
    return SparseBlocks::make(view(values, begin, columns, 2), false).ok();
  };
  EXPECT_FALSE(make({0, 3}));
  EXPECT_FALSE(make({0, 2, 1}));
  EXPECT_FALSE(make({-1, 2}));
  const std::vector<int64_t> begin{0, 2};
  auto blocks = SparseBlocks::make(view(values, begin, columns, 2), false);
  ASSERT_TRUE(blocks.ok());
  const auto block = blocks->next();
  ASSERT_FALSE(block.ok());
  EXPECT_NE(block.error().message.find("column 2 of 2"), std::string::npos);
}

TEST(SparseBlocks, OfAColumnNamedTwiceTheLastEntryHolds) {
  const std::vector<float> values{1, 2};
  const std::vector<int64_t> begin{0, 2};
  const std::vector<int64_t> columns{1, 1};
  auto blocks = SparseBlocks::make(view(values, begin, columns, 2), false);
  ASSERT_TRUE(blocks.ok());
  EXPECT_EQ(blocks->next().value().at(0, 1), 2);
}

}  // namespace
}  // namespace spinney
