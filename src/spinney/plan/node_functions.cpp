#include "spinney/plan/node_functions.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace spinney::plan {
namespace {

template <typename Real>
Real value_of(const MapNode& node, Real x) {
  switch (node.function) {
    case Function::kExp:
      return std::exp(x);
    case Function::kExpm1:
      return std::expm1(x);
    case Function::kSquare:
      return x * x;
    case Function::kSquareRoot:
      return std::sqrt(x);
    case Function::kLog:
      return std::log(x);
    case Function::kLog1p:
      return std::log1p(x);
    case Function::kAffine: {
      const Real scaled = x * static_cast<Real>(node.factor);
      return scaled + static_cast<Real>(node.summand);
    }
    default:
      return x;
  }
}

template <typename Real>
void share(Real* row, size_t n) {
  Real sum = 0;
  for (size_t k = 0; k < n; ++k) sum += row[k];
  if (sum == 0) return;
  for (size_t k = 0; k < n; ++k) row[k] /= sum;
}

template <typename Number, typename Real>
void map_typed(const MapNode& node, const Rows& numbers, Real* out) {
  for (size_t r = 0; r < numbers.count; ++r, out += numbers.width) {
    for (size_t c = 0; c < numbers.width; ++c) {
      Number number;
      std::memcpy(&number, numbers.row(r) + static_cast<ptrdiff_t>(c) * numbers.column_stride,
                  sizeof number);
      out[c] = value_of(node, static_cast<Real>(number));
    }
    if (node.function == Function::kShare) share(out, numbers.width);
  }
}

}  // namespace

void name_classes(const LabelNode& node, const int32_t* classes, size_t rows, double* out) {
  for (size_t r = 0; r < rows; ++r) out[r] = node.labels[static_cast<size_t>(classes[r])];
}

void decide(const ThresholdNode& node, const Rows& numbers, int32_t* classes) {
  for (size_t r = 0; r < numbers.count; ++r) {
    const double number = numbers.at(r, node.column);
    const bool reached = (node.negated ? -number : number) >= node.threshold;
    classes[r] = static_cast<int32_t>(reached ? node.reached : node.below);
  }
}

void map(const MapNode& node, const Rows& numbers, void* out) {
  if (numbers.type == NumberType::kFloat64)
    map_typed<double>(node, numbers, static_cast<double*>(out));
  else if (node.function == Function::kDouble)
    map_typed<float>(node, numbers, static_cast<double*>(out));
  else
    map_typed<float>(node, numbers, static_cast<float*>(out));
}

// As scikit-learn's pairwise_distances_argmin has it, whose products are added in the order of the
// scores; codes are -1, 0 and 1, so that only sums are rounded.
void compare_codes(const NearestCodeNode& node, const Rows& scores, double* out) {
  std::vector<double> squares(node.n_classes, 0.0);
  for (size_t k = 0; k < node.codes.size(); ++k)
    squares[k / scores.width] += node.codes[k] * node.codes[k];
  for (size_t r = 0; r < scores.count; ++r) {
    const double* code = node.codes.data();
    for (size_t k = 0; k < node.n_classes; ++k) {
      double product = 0;
      for (size_t c = 0; c < scores.width; ++c) product += scores.at(r, c) * *code++;
      *out++ = 2 * product - squares[k];
    }
  }
}

// scikit-learn's _ovr_decision_function.
void count_votes(const PairwiseVotesNode& node, const std::vector<const int32_t*>& says,
                 const std::vector<Rows>& confidences, size_t rows, double* out) {
  const size_t n = node.n_classes;
  std::vector<double> votes(n), sums(n);
  for (size_t r = 0; r < rows; ++r) {
    std::fill(votes.begin(), votes.end(), 0);
    std::fill(sums.begin(), sums.end(), 0);
    size_t pair = 0;
    for (size_t i = 0; i < n; ++i)
      for (size_t j = i + 1; j < n; ++j, ++pair) {
        const double confidence = confidences[pair].at(r, 0);
        sums[i] -= confidence;
        sums[j] += confidence;
        votes[says[pair][r] == 0 ? i : j] += 1;
      }
    for (size_t k = n == 2 ? 1 : 0; k < n; ++k)
      *out++ = votes[k] + sums[k] / (3 * (std::fabs(sums[k]) + 1));
  }
}

}  // namespace spinney::plan
