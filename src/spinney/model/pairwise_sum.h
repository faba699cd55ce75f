// numpy's pairwise sum, as `ndarray.sum` over contiguous numbers takes it: sums of scikit-learn's
// and XGBoost's Python parts depend on its order.
#pragma once

#include <cstddef>

namespace spinney {

template <typename Real>
Real pairwise_sum(const Real* values, size_t n) {
  if (n < 8) {
    Real sum = 0;
    for (size_t i = 0; i < n; ++i) sum += values[i];
    return sum;
  }
  if (n > 128) {
    size_t half = n / 2;
    half -= half % 8;
    return pairwise_sum(values, half) + pairwise_sum(values + half, n - half);
  }
  Real r[8];
  for (size_t k = 0; k < 8; ++k) r[k] = values[k];
  size_t i = 8;
  for (; i + 8 <= n; i += 8)
    for (size_t k = 0; k < 8; ++k) r[k] += values[i + k];
  Real sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += values[i];
  return sum;
}

}  // namespace spinney
