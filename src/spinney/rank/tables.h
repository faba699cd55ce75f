// Builds the bucket tables of rank/ranker.h, source by source.
#pragma once

#include <cmath>
#include <span>

#include "spinney/rank/ranker.h"

namespace spinney::rank {

// x's bits as an integer that grows with x, as a float; -0 counts as 0. NaN gives some number.
float ordered_bits(float x);

// The bucket of x among a source's; the same float operations as the vector code.
inline uint32_t bucket_of(float x, bool by_bits, float scale, float offset, float last_bucket) {
  const float m = by_bits ? ordered_bits(x) : x;
  float y = std::fma(m, scale, offset);
  y = y > 0 ? y : 0;  // NaN becomes 0, as max(y, 0) makes it
  y = y < last_bucket ? y : last_bucket;
  return static_cast<uint32_t>(y);
}

// Appends the source that has these thresholds, ascending (rounding may have made some equal).
template <typename Real>
void append_source(std::span<const Real> thresholds, Tables<Real>& tables);
// Fills the last vector of 16 up with sources that rank everything 0.
template <typename Real>
void pad_sources(Tables<Real>& tables);

}  // namespace spinney::rank
