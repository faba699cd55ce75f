#include "spinney/prepare/sketch.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace spinney::prepare {
namespace {

// Fewer would be sorted too often to be worth the memory.
constexpr size_t kCapacityMin = 128;
constexpr size_t kLevelsMax = 60;

// A well mixed bit of a counter (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
// generators").
bool bit_of(uint64_t counter) {
  uint64_t x = counter * 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return ((x ^ (x >> 31)) & 1) != 0;
}

}  // namespace

void QuantileSketch::set_capacities() {
  capacities_.resize(levels_.size());
  capacity_of_all_ = 0;
  double room = static_cast<double>(size_);
  for (size_t level = levels_.size(); level-- > 0; room *= 2.0 / 3.0) {
    capacities_[level] = std::max(kCapacityMin, static_cast<size_t>(std::ceil(room)));
    capacity_of_all_ += capacities_[level];
  }
  if (is_exact()) capacity_of_all_ = exact_;
}

size_t QuantileSketch::values_kept() const {
  size_t sum = 0;
  for (const auto& level : levels_) sum += level.size();
  return sum;
}

void QuantileSketch::add_level() {
  levels_.emplace_back();
  set_capacities();
}

void QuantileSketch::move_up(size_t level) {
  if (level + 1 == levels_.size()) add_level();
  std::vector<double>& from = levels_[level];
  std::vector<double>& to = levels_[level + 1];
  if (level == 0) sort_values(from, false);
  const size_t pairs = from.size() / 2;
  const size_t odd = bit_of(++moves_) ? 1 : 0;
  const auto before = static_cast<ptrdiff_t>(to.size());
  for (size_t i = 0; i < pairs; ++i) to.push_back(from[2 * i + odd]);
  std::inplace_merge(to.begin(), to.begin() + before, to.end());
  from.erase(from.begin(), from.begin() + static_cast<ptrdiff_t>(2 * pairs));
  rank_error_ += uint64_t{1} << level;
}

void QuantileSketch::compress() {
  set_capacities();
  size_t kept = values_kept();
  while (kept > capacity_of_all_) {
    size_t level = 0;
    while (levels_[level].size() < capacities_[level]) ++level;
    move_up(level);
    kept = values_kept();
  }
  // The lowest level may grow into what the others leave free.
  limit_ = levels_[0].size() + (capacity_of_all_ - kept) + 1;
}

void QuantileSketch::merge(const QuantileSketch& other) {
  if (levels_.size() < other.levels_.size()) levels_.resize(other.levels_.size());
  for (size_t level = 0; level < other.levels_.size(); ++level) {
    std::vector<double>& to = levels_[level];
    const auto before = static_cast<ptrdiff_t>(to.size());
    to.insert(to.end(), other.levels_[level].begin(), other.levels_[level].end());
    if (level > 0) std::inplace_merge(to.begin(), to.begin() + before, to.end());
  }
  count_ += other.count_;
  moves_ += other.moves_;
  rank_error_ += other.rank_error_;
  compress();
}

Sample QuantileSketch::sample() const {
  std::vector<std::pair<double, uint64_t>> weighted;
  if (is_exact()) {
    std::vector<double> values = levels_[0];
    sort_values(values, false);
    return Sample(std::move(values));
  }
  for (size_t level = 0; level < levels_.size(); ++level)
    for (const double value : levels_[level]) weighted.emplace_back(value, uint64_t{1} << level);
  return Sample(std::move(weighted));
}

Status QuantileSketch::restore(std::vector<std::vector<double>> levels, uint64_t count,
                               uint64_t moves, uint64_t rank_error) {
  if (levels.empty() || levels.size() > kLevelsMax)
    return corrupt("a quantile sketch has " + std::to_string(levels.size()) + " levels");
  if (count > uint64_t{1} << 53 || rank_error > uint64_t{1} << 53)
    return corrupt("a quantile sketch counts " + std::to_string(count) +
                   " values, with an error of " + std::to_string(rank_error));
  uint64_t sum = 0;
  for (size_t level = 0; level < levels.size(); ++level) {
    if (levels[level].size() > (count - sum) >> level)
      return corrupt("a quantile sketch holds more values than it counts");
    sum += static_cast<uint64_t>(levels[level].size()) << level;
    for (const double value : levels[level])
      if (!std::isfinite(value))
        return corrupt("a quantile sketch holds a value that is not finite");
  }
  if (sum != count) return corrupt("a quantile sketch holds fewer values than it counts");
  for (size_t level = 1; level < levels.size(); ++level)
    if (!std::is_sorted(levels[level].begin(), levels[level].end()))
      std::sort(levels[level].begin(), levels[level].end());
  levels_ = std::move(levels);
  count_ = count;
  moves_ = moves;
  rank_error_ = rank_error;
  compress();
  return {};
}

}  // namespace spinney::prepare
