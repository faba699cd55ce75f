// How a HistGradientBoosting model sees its input: which column each of its features is, and what
// its categories are.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/pickle/record.h"
#include "spinney/model/description.h"

namespace spinney::load {

using CategoryWords = std::array<uint32_t, 8>;  // 256 bits

struct HistogramColumns {
  std::vector<uint32_t> input_column;  // per feature of the trees: the column of the input
  std::vector<CategoryWords> known;    // per feature of the trees: the codes met in training
  std::vector<ColumnCategories> categories;
  std::vector<NumberCodes> number_codes;
};

Result<HistogramColumns> read_histogram_columns(const Record& record, uint32_t n_features);

}  // namespace spinney::load
