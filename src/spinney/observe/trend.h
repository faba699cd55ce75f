// Trend: how fast a quantity grows, and between which bounds at 99 % confidence.
//
// Memory is a saw: caches fill, garbage piles up and goes. So the slope is Theil and Sen's, the
// median of the slopes between all pairs of samples, which outliers hardly move, with the interval
// that Kendall's tau gives (P. K. Sen, "Estimates of the regression coefficient based on Kendall's
// tau", 1968). The interval takes samples as independent; memory's are not quite, so grows() also
// wants the later half of the samples to rise by itself, which a cache that has filled does not.
//
// At most kSamplesMax samples are kept, spread over all the time watched: when they are full, every
// second one goes and the step between them doubles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace spinney::observe {

struct Slope {
  double per_second = 0;
  double low = 0, high = 0;  // at 99 % confidence
  size_t samples = 0;        // fewer than kSamplesMin: nothing is known, all zero
};

struct Sample {
  double seconds = 0;
  double value = 0;
};

inline constexpr size_t kSamplesMin = 12;

Slope slope_of(std::span<const Sample> samples);

class Trend {
 public:
  static constexpr size_t kSamplesMax = 64;
  // Times never go back. Samples closer than the present step are left out.
  void add(double seconds, double value);
  Slope slope() const { return slope_of(samples_); }
  // True if even the low bound is at least so much per second, over all and over the later half.
  bool grows(double per_second_min) const;
  std::span<const Sample> samples() const { return samples_; }

 private:
  std::vector<Sample> samples_;
  double step_ = 0;
};

}  // namespace spinney::observe
