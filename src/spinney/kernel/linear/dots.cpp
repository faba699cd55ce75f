#include "spinney/kernel/linear/dots.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "spinney/kernel/linear/avx2/dots.h"
#include "spinney/kernel/linear/avx512/dots.h"
#include "spinney/kernel/linear/scalar/dots.h"

namespace spinney::kernel {
namespace {

constexpr size_t kLine = 8;  // doubles
// Shorter rows lie end to end: many outputs of few columns must not take many times their size.
constexpr size_t kWorthPadding = 32;

size_t padded(size_t n) { return n < kWorthPadding ? n : (n + kLine - 1) / kLine * kLine; }

constexpr const Dots* kAll[] = {&avx512::kDots, &avx2::kDots, &scalar::kDots};

}  // namespace

DotWeights::DotWeights(std::span<const double> weights, size_t n_features, size_t n_outputs)
    : n_features_(n_features),
      n_outputs_(n_outputs),
      padded_(padded(n_features)),
      weights_(padded_ * n_outputs + kLine),
      sizes_(padded_ * n_outputs + kLine) {
  for (size_t k = 0; k < n_outputs; ++k)
    for (size_t j = 0; j < n_features; ++j) {
      weights_[k * padded_ + j] = weights[k * n_features + j];
      sizes_[k * padded_ + j] = std::abs(weights[k * n_features + j]);
    }
  shares_bound_ = share_bound();
  // Proved in docs/decisions/exact-sums.md: there are at least four partial sums, of n / 4 terms
  // each, and the additions that fold them. Doubled, to cover rounding in the bound itself.
  const auto n = static_cast<double>(n_features + kLine);
  const double roundings = n / 4 + 8;
  slack_ = roundings * n * 0x1p-105;
  float_slack_ = roundings * 0x1p-52;
}

// Outputs may share a bound if their sizes are alike: a bound that is 2^k times too large costs k
// of the 53 bits of precision.
bool DotWeights::share_bound() {
  constexpr double kLike = 0x1p-16;
  std::vector<double> largest(padded_ + kLine);
  for (size_t k = 0; k < n_outputs_; ++k)
    for (size_t j = 0; j < padded_; ++j) largest[j] = std::max(largest[j], sizes_[k * padded_ + j]);
  const double all = std::accumulate(largest.begin(), largest.end(), 0.0);
  for (size_t k = 0; k < n_outputs_; ++k) {
    const auto own = sizes_.begin() + static_cast<ptrdiff_t>(k * padded_);
    const double sum = std::accumulate(own, own + static_cast<ptrdiff_t>(padded_), 0.0);
    if (!(sum >= all * kLike)) return false;  // NaN as well
  }
  sizes_.assign(largest.begin(), largest.end());
  return true;
}

std::span<const Dots* const> usable_dots() {
  const std::span<const Dots* const> all(kAll);
  size_t first = 0;
  while (all[first]->isa > cpu::usable_isa()) ++first;
  return all.subspan(first);
}

const Dots& best_dots() {
  static const Dots& best = *usable_dots().front();
  return best;
}

}  // namespace spinney::kernel
