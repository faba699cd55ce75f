// Which values a model's training library refuses to predict, by column: what strict means.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "spinney/model/description.h"
#include "spinney/model/rows.h"

namespace spinney {

enum RefusalFlags : uint8_t {
  kRefusesNan = 1,
  kRefusesInfinity = 2,
  // Also a double beyond float32: the library looks after it has converted.
  kRefusesInfinityAsFloat = 4,
};

// One set of flags a column, or none at all if nothing is refused. An ensemble refuses what it
// refuses itself, and what its members do of the columns that they see. by_matrix: as in
// PredictOptions. sparse: of sparse rows.
std::vector<uint8_t> refusals_of(const Description& model, bool by_matrix, bool sparse);

// What counts as missing to the model besides NaN; NaN if nothing does.
double missing_value_of(const Description& model);

struct Refused {
  size_t row = 0, column = 0;
  double value = 0;
};
// The first cell that the flags refuse.
std::optional<Refused> find_refused(const Rows& rows, const std::vector<uint8_t>& flags);

}  // namespace spinney
