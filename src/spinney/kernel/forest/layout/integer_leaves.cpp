#include "spinney/kernel/forest/layout/integer_leaves.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace spinney::kernel {
namespace {

// -0 is no integer here: its sign would be lost.
bool is_code(double value) {
  return std::fabs(value) <= 32767 && std::trunc(value) == value &&
         !(value == 0 && std::signbit(value));
}

}  // namespace

size_t code_bytes_for(const Forest& forest) {
  const ForestSettings& settings = forest.settings();
  if (!forest.linear_leaves.empty() || settings.reduction != Reduction::kSum) return 0;
  if (!std::all_of(forest.leaf_values.begin(), forest.leaf_values.end(), is_code)) return 0;
  if (!std::all_of(forest.base.begin(), forest.base.end(), is_code)) return 0;
  std::vector<double> sums(forest.base.begin(), forest.base.end());
  for (double& sum : sums) sum = std::fabs(sum);
  const size_t width = settings.leaf_width;
  std::vector<double> largest(width);
  double largest_of_all = 0;
  for (size_t t = 0; t < forest.n_trees(); ++t) {
    std::fill(largest.begin(), largest.end(), 0);
    for (const Node& node : forest.tree(t)) {
      if (!node.is_leaf()) continue;
      for (size_t w = 0; w < width; ++w) {
        const double value = std::fabs(forest.leaf_values[size_t{node.leaf_row()} * width + w]);
        largest[w] = std::max(largest[w], value);
      }
    }
    for (size_t w = 0; w < width; ++w) {
      sums[width == 1 ? forest.tree_target[t] : w] += largest[w];
      largest_of_all = std::max(largest_of_all, largest[w]);
    }
  }
  const double exact = settings.accumulator == NumberType::kFloat32 ? 0x1p24 : 0x1p53;
  if (std::any_of(sums.begin(), sums.end(), [&](double sum) { return sum > exact; })) return 0;
  return largest_of_all <= 127 ? 1 : 2;
}

}  // namespace spinney::kernel
