#include "spinney/plan/combine.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "spinney/model/median.h"

namespace spinney::plan {
namespace {

template <typename Function>
void in_arithmetic(const CombineNode& combine, const CombinedRows& out, Function&& function) {
  if (combine.arithmetic == NumberType::kFloat32)
    function(static_cast<float*>(out.data));
  else
    function(static_cast<double*>(out.data));
}

// Numbers that lie side by side, as those of nodes that compute do.
template <typename Number, typename Real>
void add_packed(const Number* numbers, size_t n, Real weight, Real* out) {
  if (weight == Real{1})
    for (size_t i = 0; i < n; ++i) out[i] += static_cast<Real>(numbers[i]);
  else
    for (size_t i = 0; i < n; ++i) out[i] += static_cast<Real>(numbers[i]) * weight;
}

template <typename Number, typename Real>
void add_typed(const CombineNode& combine, const CombinedPart& part, const Rows& numbers,
               Real* out) {
  const auto w = static_cast<Real>(part.weight);
  if (part.places.empty() && numbers.packed_columns() &&
      numbers.row_stride == static_cast<ptrdiff_t>(numbers.width * sizeof(Number)))
    return add_packed(static_cast<const Number*>(numbers.data), numbers.count * numbers.width, w,
                      out);
  for (size_t r = 0; r < numbers.count; ++r, out += combine.n_outputs)
    for (size_t k = 0; k < numbers.width; ++k) {
      Number number;
      std::memcpy(&number, numbers.row(r) + static_cast<ptrdiff_t>(k) * numbers.column_stride,
                  sizeof number);
      const auto value = static_cast<Real>(number);
      out[part.places.empty() ? k : part.places[k]] += w == Real{1} ? value : value * w;
    }
}

template <typename Real>
void vote(const CombineNode& combine, size_t voted, Real w, Real* out) {
  const size_t n = combine.n_outputs;
  if (combine.combination == Combination::kMajorityVote)
    out[voted] += w;
  else if (n == 1)
    out[0] += voted == 1 ? 2 * w : -2 * w;
  else
    for (size_t k = 0; k < n; ++k)
      out[k] += k == voted ? w : Real{-1} / static_cast<Real>(n - 1) * w;
}

}  // namespace

void clear(const CombineNode& combine, const CombinedRows& out) {
  in_arithmetic(combine, out, [&](auto* sums) {
    std::fill_n(sums, out.count * combine.n_outputs, std::remove_pointer_t<decltype(sums)>{0});
  });
}

void add_numbers(const CombineNode& combine, const CombinedPart& part, const Rows& numbers,
                 const CombinedRows& out) {
  in_arithmetic(combine, out, [&](auto* sums) {
    if (numbers.type == NumberType::kFloat32)
      add_typed<float>(combine, part, numbers, sums);
    else
      add_typed<double>(combine, part, numbers, sums);
  });
}

void add_votes(const CombineNode& combine, const CombinedPart& part, const int32_t* classes,
               const CombinedRows& out) {
  in_arithmetic(combine, out, [&](auto* sums) {
    using Real = std::remove_pointer_t<decltype(sums)>;
    const auto w = static_cast<Real>(part.weight);
    for (size_t r = 0; r < out.count; ++r) {
      auto voted = static_cast<size_t>(classes[r]);
      if (!part.places.empty()) voted = part.places[voted];
      vote(combine, voted, w, sums + r * combine.n_outputs);
    }
  });
}

void divide(const CombineNode& combine, const CombinedRows& out) {
  in_arithmetic(combine, out, [&](auto* sums) {
    using Real = std::remove_pointer_t<decltype(sums)>;
    const auto divisor = static_cast<Real>(combine.divisor);
    if (divisor == Real{1}) return;
    for (size_t i = 0; i < out.count * combine.n_outputs; ++i) sums[i] /= divisor;
  });
}

void take_medians(const CombineNode& combine, const std::vector<Rows>& values,
                  const CombinedRows& out) {
  std::vector<double> weights;
  for (const CombinedPart& part : combine.parts) weights.push_back(part.weight);
  std::vector<double> of_row(weights.size());
  in_arithmetic(combine, out, [&](auto* medians) {
    using Real = std::remove_pointer_t<decltype(medians)>;
    for (size_t r = 0; r < out.count; ++r) {
      // Rounded to the arithmetic's type first, as every part is.
      for (size_t m = 0; m < of_row.size(); ++m) of_row[m] = static_cast<Real>(values[m].at(r, 0));
      medians[r] = static_cast<Real>(weighted_median(of_row, weights));
    }
  });
}

}  // namespace spinney::plan
