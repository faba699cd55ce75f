#include "spinney/rank/threshold_set.h"

#include <algorithm>
#include <cmath>
#include <limits>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace spinney::rank {

size_t ThresholdSet::home(double threshold) const {
  return XXH3_64bits_withSeed(&threshold, sizeof threshold, seed_) & (slots_.size() - 1);
}

size_t ThresholdSet::find_slot(double threshold) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = home(threshold);
  while (!std::isnan(slots_[slot]) && slots_[slot] != threshold) slot = (slot + 1) & mask;
  return slot;
}

size_t ThresholdSet::displacement() const {
  size_t total = 0;
  for (size_t slot = 0; slot < slots_.size(); ++slot)
    if (!std::isnan(slots_[slot])) total += (slot - home(slots_[slot])) & (slots_.size() - 1);
  return total;
}

void ThresholdSet::grow() {
  std::vector<double> old(slots_.empty() ? 32 : slots_.size() * 2,
                          std::numeric_limits<double>::quiet_NaN());
  old.swap(slots_);
  for (const double threshold : old)
    if (!std::isnan(threshold)) slots_[find_slot(threshold)] = threshold;
}

void ThresholdSet::add(double threshold) {
  threshold += 0.0;  // -0 becomes 0
  if (2 * (size_ + 1) > slots_.size()) grow();
  const size_t slot = find_slot(threshold);
  if (!std::isnan(slots_[slot])) return;
  slots_[slot] = threshold;
  ++size_;
}

std::vector<double> ThresholdSet::take_sorted() {
  std::vector<double> sorted;
  sorted.reserve(size_);
  for (const double threshold : slots_)
    if (!std::isnan(threshold)) sorted.push_back(threshold);
  std::sort(sorted.begin(), sorted.end());
  slots_.clear();
  size_ = 0;
  return sorted;
}

}  // namespace spinney::rank
