#include "spinney/load/file/budget.h"

#include <algorithm>

#include "spinney/base/checked_size.h"

namespace spinney::load {
namespace {

thread_local Budget* current = nullptr;

}  // namespace

Budget::Budget(size_t file_bytes, size_t expanded_bytes, const BudgetLimits& limits) {
  const auto or_all = [](std::optional<size_t> size) { return size.value_or(kSizeMax / 4); };
  const size_t counted =
      std::min(expanded_bytes, or_all(checked_product(limits.expansion, file_bytes)));
  bytes_left_ = or_all(checked_sum(limits.bytes, expanded_bytes,
                                   or_all(checked_product(limits.bytes_per_byte, counted))));
  objects_left_ = or_all(checked_sum(limits.objects, counted / limits.bytes_per_object));
}

BudgetInUse::BudgetInUse(Budget& budget) : outer_(current) { current = &budget; }

BudgetInUse::~BudgetInUse() { current = outer_; }

BudgetOfFile::BudgetOfFile(size_t file_bytes) {
  if (current) return;
  own_.emplace(file_bytes);
  in_use_.emplace(*own_);
}

bool try_spend(size_t count, size_t item_bytes, size_t objects) {
  if (!current) return true;
  const std::optional<size_t> bytes = checked_product(count, item_bytes);
  return bytes && current->take(*bytes, objects);
}

Status spend(const std::string& what, size_t count, size_t item_bytes, size_t objects) {
  if (try_spend(count, item_bytes, objects)) return {};
  return too_large(what +
                   " needs far more memory or objects than a file of this size holds data for: the "
                   "file names the same values again and again");
}

}  // namespace spinney::load
