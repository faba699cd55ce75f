#include "spinney/observe/trend.h"

#include <algorithm>
#include <cmath>

namespace spinney::observe {
namespace {

constexpr double kNormal99 = 2.5758293035489004;  // the normal distribution's 99.5th percentile

}  // namespace

Slope slope_of(std::span<const Sample> samples) {
  Slope found;
  found.samples = samples.size();
  if (samples.size() < kSamplesMin) return found;
  std::vector<double> slopes;
  slopes.reserve(samples.size() * (samples.size() - 1) / 2);
  for (size_t i = 0; i < samples.size(); ++i)
    for (size_t j = i + 1; j < samples.size(); ++j) {
      const double time = samples[j].seconds - samples[i].seconds;
      if (time > 0) slopes.push_back((samples[j].value - samples[i].value) / time);
    }
  if (slopes.empty()) return found;
  std::sort(slopes.begin(), slopes.end());
  const auto pairs = static_cast<double>(slopes.size());
  const auto n = static_cast<double>(samples.size());
  const double spread = kNormal99 * std::sqrt(n * (n - 1) * (2 * n + 5) / 18);
  const auto at = [&](double rank) {
    const double clamped = std::clamp(rank, 0.0, pairs - 1);
    return slopes[static_cast<size_t>(clamped)];
  };
  const size_t half = slopes.size() / 2;
  found.per_second = slopes.size() % 2 ? slopes[half] : (slopes[half - 1] + slopes[half]) / 2;
  found.low = at(std::floor((pairs - spread) / 2));
  found.high = at(std::ceil((pairs + spread) / 2));
  return found;
}

void Trend::add(double seconds, double value) {
  if (!samples_.empty() && seconds < samples_.back().seconds + step_) return;
  if (samples_.size() == kSamplesMax) {
    for (size_t i = 0; i < kSamplesMax / 2; ++i) samples_[i] = samples_[2 * i];
    samples_.resize(kSamplesMax / 2);
    step_ = (samples_.back().seconds - samples_.front().seconds) / (kSamplesMax / 2 - 1) * 0.99;
    if (seconds < samples_.back().seconds + step_) return;
  }
  samples_.push_back({seconds, value});
}

bool Trend::grows(double per_second_min) const {
  const std::span<const Sample> all(samples_);
  const std::span<const Sample> later = all.subspan(all.size() / 2);
  if (later.size() < kSamplesMin) return false;
  return slope_of(all).low >= per_second_min && slope_of(later).low >= per_second_min;
}

}  // namespace spinney::observe
