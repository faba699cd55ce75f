#include "spinney/prepare/frequencies.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <optional>
#include <vector>

#include "spinney/base/checked_size.h"

namespace spinney::prepare {

constexpr uint64_t kCountMax = uint64_t{1} << 53;

void Frequencies::add(double value, uint64_t times) {
  counts_[std::bit_cast<uint64_t>(value + 0.0)] += times;  // -0 is 0
  if (counts_.size() > 2 * capacity_) prune();
}

// Takes the count of the first value too many from all, and forgets those that come to nothing.
void Frequencies::prune() {
  std::vector<uint64_t> all;
  all.reserve(counts_.size());
  for (const auto& entry : counts_) all.push_back(entry.second);
  const auto nth = all.begin() + static_cast<ptrdiff_t>(capacity_);
  std::nth_element(all.begin(), nth, all.end(), std::greater<>());
  const uint64_t less = *nth;
  for (auto entry = counts_.begin(); entry != counts_.end();) {
    if (entry->second <= less) {
      entry = counts_.erase(entry);
    } else {
      entry->second -= less;
      ++entry;
    }
  }
  error_ += less;
}

void Frequencies::merge(const Frequencies& other) {
  for (const auto& [bits, times] : other.counts_) counts_[bits] += times;
  error_ += other.error_;
  if (counts_.size() > 2 * capacity_) prune();
}

double Frequencies::mode() const {
  double best = 0;
  uint64_t best_times = 0;
  for (const auto& [bits, times] : counts_) {
    const auto value = std::bit_cast<double>(bits);
    if (times < best_times || (times == best_times && value >= best)) continue;
    best = value;
    best_times = times;
  }
  return best;
}

Status Frequencies::restore(Counts counts, uint64_t error) {
  std::optional<size_t> sum = 0;
  for (const auto& entry : counts) {
    if (!std::isfinite(std::bit_cast<double>(entry.first)) || entry.second == 0)
      return corrupt("a table of frequencies holds a value that is not finite or never occurs");
    sum = checked_sum(sum.value_or(kSizeMax), entry.second);
  }
  // As many values as are ever counted; sums of tables that are merged then wrap never.
  if (!sum || *sum > kCountMax || error > kCountMax)
    return corrupt("a table of frequencies counts more values than there can have been");
  counts_ = std::move(counts);
  error_ = error;
  if (counts_.size() > 2 * capacity_) prune();
  return {};
}

}  // namespace spinney::prepare
