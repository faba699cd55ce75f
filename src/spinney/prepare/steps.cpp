#include "spinney/prepare/steps.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "spinney/base/at_load.h"
#include "spinney/prepare/avx2/kernels.h"
#include "spinney/prepare/avx512/kernels.h"
#include "spinney/prepare/scalar/kernels.h"

namespace spinney::prepare {
namespace {

// Values of whole rows fill vectors of this many floats or doubles without a rest.
constexpr size_t kVector = 16;
// Tables are repeated up to this many entries: what the first-level cache holds beside the rows.
constexpr size_t kRepeatedEntries = 256;

uint32_t flags_of(const Recipe& recipe) {
  uint32_t flags = 0;
  if (recipe.fills_missing) flags |= kFillMissing;
  if (recipe.fills_infinite) flags |= kFillInfinite;
  if (recipe.has_outliers && !recipe.marks_only) flags |= kOutliers;
  if (recipe.clip == Clip::kFirst) flags |= kClipFirst;
  if (!recipe.is_affine()) return flags;  // the curve adds the offset and clips
  if (recipe.clip == Clip::kLast) flags |= kClipLast;
  if (recipe.offset != 0) flags |= kOffset;
  if (recipe.normalization == Normalization::kMinmax) return flags | kMultiplyAdd;
  if (recipe.normalization != Normalization::kNone) flags |= kSubtractDivide;
  return flags;
}

size_t repetitions(size_t width) {
  const size_t rows = kVector / std::gcd(width, kVector);
  return rows * width <= kRepeatedEntries ? rows : 1;
}

// And a scale is not 0 besides.
template <typename T>
T rounded_scale(double scale) {
  const T near = rounded<T>(scale);
  return near == 0 ? std::copysign(std::numeric_limits<T>::denorm_min(), near) : near;
}

}  // namespace

template <typename T>
void make_steps(const Recipe& recipe, Steps<T>& steps) {
  steps.flags = flags_of(recipe);
  steps.clip_low = rounded<T>(recipe.clip_low);
  steps.clip_high = rounded<T>(recipe.clip_high);
  steps.offset = rounded<T>(recipe.offset);
  steps.width = recipe.width();
  steps.repeated_rows = repetitions(steps.width);
  const std::vector<double>* sources[kParameters] = {
      &recipe.missing_fill, &recipe.positive_fill, &recipe.negative_fill,
      &recipe.low,          &recipe.high,          &recipe.below,
      &recipe.above,        &recipe.center,        &recipe.scale};
  const size_t entries = steps.width * steps.repeated_rows;
  const size_t room = (entries + 2 * kVector - 1) / kVector * kVector;
  steps.storage.assign(room * kParameters, T{1});
  for (size_t p = 0; p < kParameters; ++p) {
    if (sources[p]->empty()) continue;
    T* table = steps.storage.data() + p * room;
    for (size_t i = 0; i < entries; ++i) {
      const double value = (*sources[p])[i % steps.width];
      table[i] = p == kScale ? rounded_scale<T>(value) : rounded<T>(value);
    }
    steps.tables[p] = table;
  }
}

template void make_steps<float>(const Recipe&, Steps<float>&);
template void make_steps<double>(const Recipe&, Steps<double>&);

std::span<const Kernels* const> usable_kernels() {
  static constexpr const Kernels* kAll[] = {&avx512::kKernels, &avx2::kKernels, &scalar::kKernels};
  size_t first = 0;
  while (kAll[first]->isa > cpu::usable_isa()) ++first;
  return std::span(kAll).subspan(first);
}

const Kernels& best_kernels() {
  static const Kernels& best = *usable_kernels().front();
  return best;
}
namespace {
const AtLoad kBest{&best_kernels};
}

}  // namespace spinney::prepare
