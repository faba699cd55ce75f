#include "spinney/rank/row_key.h"

#include <cmath>
#include <utility>

#include "spinney/cpu/features.h"
#include "spinney/rank/avx512/rank_rows.h"

namespace spinney::rank {

RowKey::RowKey(std::shared_ptr<const Ranker> ranker)
    : ranker_(std::move(ranker)),
      view_(*ranker_),
      vectors_(cpu::usable_isa() >= cpu::Isa::kAvx512) {}

Result<std::shared_ptr<const RowKey>> RowKey::make(const Forest& forest) {
  if (!forest.linear_leaves.empty())
    return unsupported("its leaves are linear functions of the row, not of its ranks");
  if (!std::isnan(forest.settings().missing_value))
    return unsupported("it has a number of its own for missing values");
  SPINNEY_ASSIGN(auto ranker, Ranker::make(forest));
  return std::shared_ptr<const RowKey>(new RowKey(std::move(ranker)));
}

void RowKey::write(const Rows& rows, size_t r, uint8_t* key) const {
  if (vectors_)
    avx512::rank_row(view_, rows, r, key);
  else
    ranker_->rank_row(rows, r, key);
}

}  // namespace spinney::rank
