#include "spinney/prepare/sample.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <type_traits>

namespace spinney::prepare {
namespace {

// From here on sorting by digits is faster than by comparisons.
constexpr size_t kDigitSort = 4096;
constexpr unsigned kDigitBits = 11;

// Unsigned keys in the order of the numbers.
template <typename Key, typename T>
Key key_of(T value) {
  constexpr Key kSign = Key{1} << (sizeof(Key) * 8 - 1);
  const Key bits = std::bit_cast<Key>(value);
  return bits & kSign ? static_cast<Key>(~bits) : static_cast<Key>(bits | kSign);
}

template <typename Key, typename T>
T number_of(Key key) {
  constexpr Key kSign = Key{1} << (sizeof(Key) * 8 - 1);
  return std::bit_cast<T>(key & kSign ? static_cast<Key>(key & ~kSign) : static_cast<Key>(~key));
}

template <typename T>
void sort_by_digits(std::vector<double>& values) {
  using Key = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr size_t kDigits = size_t{1} << kDigitBits;
  std::vector<Key> keys(values.size()), sorted(values.size());
  for (size_t i = 0; i < values.size(); ++i) keys[i] = key_of<Key>(static_cast<T>(values[i]));
  for (unsigned shift = 0; shift < sizeof(Key) * 8; shift += kDigitBits) {
    std::array<size_t, kDigits> places{};
    for (const Key key : keys) ++places[(key >> shift) & (kDigits - 1)];
    if (places[(keys[0] >> shift) & (kDigits - 1)] == keys.size()) continue;  // all alike
    size_t before = 0;
    for (size_t& place : places) before += std::exchange(place, before);
    for (const Key key : keys) sorted[places[(key >> shift) & (kDigits - 1)]++] = key;
    keys.swap(sorted);
  }
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>(number_of<Key, T>(keys[i]));
}

}  // namespace

void sort_values(std::vector<double>& values, bool single) {
  if (values.size() < kDigitSort)
    std::sort(values.begin(), values.end());
  else if (single)
    sort_by_digits<float>(values);
  else
    sort_by_digits<double>(values);
}

Sample::Sample(std::vector<std::pair<double, uint64_t>> weighted) {
  std::sort(weighted.begin(), weighted.end());
  uint64_t end = 0;
  for (const auto& [value, weight] : weighted) {
    values_.push_back(value);
    ends_.push_back(end += weight);
  }
}

double Sample::at(uint64_t place) const {
  if (ends_.empty()) return values_[place];
  return values_[static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), place) -
                                     ends_.begin())];
}

double Sample::percentile(double percent) const {
  const uint64_t last = total() - 1;
  const double exact = static_cast<double>(last) * (percent / 100);
  const uint64_t before = std::min(static_cast<uint64_t>(exact), last);
  const double part = exact - static_cast<double>(before);
  const double a = at(before), b = at(std::min(before + 1, last));
  const double value = part >= 0.5 ? b - (b - a) * (1 - part) : a + (b - a) * part;
  return std::clamp(value, a, b);
}

double Sample::mode() const {
  double best = values_[0];
  uint64_t best_times = 0;
  for (size_t i = 0; i < values_.size();) {
    uint64_t times = 0;
    const double value = values_[i];
    for (; i < values_.size() && values_[i] == value; ++i) times += weight(i);
    if (times > best_times) {
      best = value;
      best_times = times;
    }
  }
  return best;
}

ColumnMoments Sample::moments() const {
  ColumnMoments result;
  if (empty()) return result;
  result.min = values_.front();
  result.max = values_.back();
  result.count = static_cast<double>(total());
  // Distances from a middle value, so that the sum neither cancels nor overflows.
  const double middle = values_[values_.size() / 2];
  double sum = 0, off = 0, squares = 0;
  for (size_t i = 0; i < values_.size(); ++i)
    sum += static_cast<double>(weight(i)) * (values_[i] - middle);
  result.mean = middle + sum / result.count;
  for (size_t i = 0; i < values_.size(); ++i) {
    const double apart = values_[i] - result.mean;
    off += static_cast<double>(weight(i)) * apart;
    squares += static_cast<double>(weight(i)) * apart * apart;
  }
  result.m2 = std::max(0.0, squares - off * off / result.count);
  return result;
}

void Sample::insert(double value, uint64_t times) {
  if (times == 0) return;
  const auto place = static_cast<size_t>(std::upper_bound(values_.begin(), values_.end(), value) -
                                         values_.begin());
  if (ends_.empty()) {
    ends_.resize(values_.size());
    for (size_t i = 0; i < ends_.size(); ++i) ends_[i] = i + 1;
  }
  const uint64_t before = place > 0 ? ends_[place - 1] : 0;
  values_.insert(values_.begin() + static_cast<ptrdiff_t>(place), value);
  ends_.insert(ends_.begin() + static_cast<ptrdiff_t>(place), before);
  for (size_t i = place; i < ends_.size(); ++i) ends_[i] += times;
}

void Sample::replace_beyond(double low, double high, double below, double above) {
  const auto first =
      static_cast<size_t>(std::lower_bound(values_.begin(), values_.end(), low) - values_.begin());
  const auto last =
      static_cast<size_t>(std::upper_bound(values_.begin(), values_.end(), high) - values_.begin());
  const bool keeps_order = (first == last && below <= above) ||
                           (first < last && below <= values_[first] && above >= values_[last - 1]);
  if (keeps_order) {
    std::fill(values_.begin(), values_.begin() + static_cast<ptrdiff_t>(first), below);
    std::fill(values_.begin() + static_cast<ptrdiff_t>(last), values_.end(), above);
    return;
  }
  uint64_t times_below = 0, times_above = 0;
  for (size_t i = 0; i < first; ++i) times_below += weight(i);
  for (size_t i = last; i < values_.size(); ++i) times_above += weight(i);
  if (times_below == 0 && times_above == 0) return;
  std::vector<std::pair<double, uint64_t>> kept;
  kept.reserve(last - first + 2);
  for (size_t i = first; i < last; ++i) kept.emplace_back(values_[i], weight(i));
  if (times_below > 0) kept.emplace_back(below, times_below);
  if (times_above > 0) kept.emplace_back(above, times_above);
  *this = Sample(std::move(kept));
}

}  // namespace spinney::prepare
