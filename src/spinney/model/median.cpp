#include "spinney/model/median.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

namespace spinney {

double weighted_median(std::span<const double> values, std::span<const double> weights) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return values[a] < values[b] || (std::isnan(values[b]) && !std::isnan(values[a]));
  });
  double total = 0;
  for (const size_t i : order) total += weights[i];
  double running = 0;
  for (const size_t i : order) {
    running += weights[i];
    if (running >= 0.5 * total) return values[i];
  }
  // Only a NaN weight comes here; numpy's argmax over "never" gives the first.
  return values[order.front()];
}

}  // namespace spinney
