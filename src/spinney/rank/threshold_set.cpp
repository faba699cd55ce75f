#include "spinney/rank/threshold_set.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace spinney::rank {

size_t ThresholdSet::find_slot(double threshold) const {
  const uint64_t hash = std::bit_cast<uint64_t>(threshold) * 0x9E3779B97F4A7C15u;
  const size_t mask = slots_.size() - 1;
  size_t slot = static_cast<size_t>(hash >> 32) & mask;
  while (!std::isnan(slots_[slot]) && slots_[slot] != threshold) slot = (slot + 1) & mask;
  return slot;
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
