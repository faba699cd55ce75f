#include "spinney/link/link.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "spinney/link/fast_exp.h"
#include "spinney/model/pairwise_sum.h"

namespace spinney::link {
namespace {

// XGBoost's Sigmoid (src/common/math.h): the exponent is capped so that exp cannot overflow, and a
// term of 1e-16 vanishes in float32 but is kept, so that the formula is the library's own.
float xgb_sigmoid(float x) {
  constexpr float kEps = 1e-16f;
  const float exponent = std::min(-x, 88.7f);
  return 1.0f / (std::exp(exponent) + 1.0f + kEps);
}

template <typename Score>
double read(const Score* scores, size_t i) {
  return static_cast<double>(scores[i]);
}

template <typename Score, typename Value>
void softmax_row(const Score* x, size_t n, Value* out) {
  Value max = static_cast<Value>(x[0]);
  for (size_t k = 1; k < n; ++k) max = std::max(max, static_cast<Value>(x[k]));
  double sum = 0;
  for (size_t k = 0; k < n; ++k) {
    out[k] = std::exp(static_cast<Value>(x[k]) - max);
    sum += out[k];
  }
  for (size_t k = 0; k < n; ++k) out[k] /= static_cast<Value>(sum);
}

template <typename Score, typename Value>
void pairwise_softmax_row(const Score* x, size_t n, Value* out) {
  Value max = static_cast<Value>(x[0]);
  for (size_t k = 1; k < n; ++k) max = std::max(max, static_cast<Value>(x[k]));
  for (size_t k = 0; k < n; ++k) out[k] = std::exp(static_cast<Value>(x[k]) - max);
  const Value sum = pairwise_sum(out, n);
  for (size_t k = 0; k < n; ++k) out[k] /= sum;
}

template <typename Score, typename Value>
void catboost_softmax_row(const Score* x, size_t n, Value* out) {
  double max = read(x, 0);
  for (size_t k = 1; k < n; ++k) max = std::max(max, read(x, k));
  double sum = 0;
  for (size_t k = 0; k < n; ++k) {
    const double term = fast_exp(read(x, k) - max);
    sum += term;
    out[k] = static_cast<Value>(term);
  }
  for (size_t k = 0; k < n; ++k) out[k] /= static_cast<Value>(sum);
}

float xgb_softplus(float x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

template <typename Score, typename Value>
void xgb_softplus_sum_row(const Score* x, size_t n, Value* out) {
  constexpr float kEps = 1e-6f;
  float value = static_cast<float>(x[0]);
  out[0] = static_cast<Value>(value);
  for (size_t k = 1; k < n; ++k) {
    value += kEps + xgb_softplus(static_cast<float>(x[k]));
    out[k] = static_cast<Value>(value);
  }
}

// By insertion, as XGBoost does: NaN stays where it is.
template <typename Score, typename Value>
void ascending_row(const Score* x, size_t n, Value* out) {
  for (size_t k = 0; k < n; ++k) {
    const auto value = static_cast<Value>(x[k]);
    size_t place = k;
    for (; place > 0 && out[place - 1] > value; --place) out[place] = out[place - 1];
    out[place] = value;
  }
}

template <typename Value>
void normalize_row(Value* x, size_t n) {
  Value sum = 0;
  for (size_t k = 0; k < n; ++k) sum += x[k];
  for (size_t k = 0; k < n; ++k) x[k] = sum == 0 ? Value{1} / static_cast<Value>(n) : x[k] / sum;
}

// The largest score and each term are rounded to float32, whatever the type of the values.
template <typename Score, typename Value>
void treelite_softmax_row(const Score* x, size_t n, Value* out) {
  auto max = static_cast<float>(x[0]);
  for (size_t k = 1; k < n; ++k)
    if (static_cast<Value>(x[k]) > static_cast<Value>(max)) max = static_cast<float>(x[k]);
  double sum = 0;
  for (size_t k = 0; k < n; ++k) {
    const auto term =
        static_cast<float>(std::exp(static_cast<Value>(x[k]) - static_cast<Value>(max)));
    sum += static_cast<double>(term);
    out[k] = static_cast<Value>(term);
  }
  for (size_t k = 0; k < n; ++k) out[k] /= static_cast<Value>(static_cast<float>(sum));
}

template <typename Value>
Value treelite_value(const Link& link, Value x) {
  const auto p = static_cast<Value>(link.parameter);
  switch (link.kind) {
    case LinkKind::kTreeliteSigmoid:
      return Value{1} / (Value{1} + std::exp(-p * x));
    case LinkKind::kTreeliteExp:
      return std::exp(x);
    case LinkKind::kTreeliteExp2:
      return std::exp2(-x / p);
    case LinkKind::kTreeliteLog1pExp:
      return std::log1p(std::exp(x));
    default:
      return std::copysign(x * x, x);
  }
}

template <typename Value>
Value one(const Link& link, double x) {
  const double p = link.parameter;
  switch (link.kind) {
    case LinkKind::kXgbSigmoid:
      return static_cast<Value>(xgb_sigmoid(static_cast<float>(x)));
    case LinkKind::kXgbHinge:
      return x > 0 ? 1 : 0;
    case LinkKind::kExpFloat:
      return static_cast<Value>(std::exp(static_cast<float>(x)));
    case LinkKind::kLgbSigmoid:
      return static_cast<Value>(1.0 / (1.0 + std::exp(-p * x)));
    case LinkKind::kExp:
      return static_cast<Value>(std::exp(x));
    case LinkKind::kCatboostExp:
      return static_cast<Value>(fast_exp(x));
    case LinkKind::kSignedSquare:
      return static_cast<Value>(((x > 0) - (x < 0)) * x * x);  // keeps 0 positive
    case LinkKind::kLog1pExp:
      return static_cast<Value>(std::log1p(std::exp(x)));
    case LinkKind::kExpit:
      return static_cast<Value>(1.0 / (1.0 + std::exp(-p * x)));
    case LinkKind::kTreeliteSigmoid:
    case LinkKind::kTreeliteExp:
    case LinkKind::kTreeliteExp2:
    case LinkKind::kTreeliteLog1pExp:
    case LinkKind::kTreeliteSignedSquare:
      return treelite_value(link, static_cast<Value>(x));
    case LinkKind::kIsolation:
      return static_cast<Value>(p == 0 ? -0.5 : -std::pow(2.0, -x / p));  // p == 0: one sample
    default:
      return static_cast<Value>(x);
  }
}

template <typename Score, typename Value>
void apply_row(const Output& output, const Score* x, size_t n, Value* out) {
  switch (output.link.kind) {
    case LinkKind::kXgbSoftmax:
    case LinkKind::kLgbSoftmax:
    case LinkKind::kSoftmax:
      softmax_row(x, n, out);
      return;
    case LinkKind::kPairwiseSoftmax:
      pairwise_softmax_row(x, n, out);
      return;
    case LinkKind::kCatboostSoftmax:
      catboost_softmax_row(x, n, out);
      return;
    case LinkKind::kTreeliteSoftmax:
      treelite_softmax_row(x, n, out);
      return;
    case LinkKind::kCatboostUncertainty:
      for (size_t k = 0; k < n; ++k)
        out[k] = static_cast<Value>(k == 0 ? read(x, 0) : fast_exp(2 * read(x, k)));
      return;
    case LinkKind::kXgbMultiArgmax:
      out[0] = static_cast<Value>(std::max_element(x, x + n) - x);
      return;
    case LinkKind::kXgbAscending:
      ascending_row(x, n, out);
      return;
    case LinkKind::kXgbSoftplusSum:
      xgb_softplus_sum_row(x, n, out);
      return;
    case LinkKind::kExpitNormalize:
      for (size_t k = 0; k < n; ++k)
        out[k] = static_cast<Value>(1.0 / (1.0 + std::exp(-read(x, k))));
      normalize_row(out, n);
      return;
    case LinkKind::kNormalize:
      for (size_t k = 0; k < n; ++k) out[k] = static_cast<Value>(x[k]);
      normalize_row(out, n);
      return;
    case LinkKind::kSammeProba: {
      // decision_function d -> softmax of d / (n - 1); two classes share one score: [-d/2, d/2].
      std::vector<double> scaled(n == 1 ? 2 : n);
      if (n == 1) {
        scaled[0] = -read(x, 0) / 2;
        scaled[1] = read(x, 0) / 2;
      } else {
        for (size_t k = 0; k < n; ++k) scaled[k] = read(x, k) / static_cast<double>(n - 1);
      }
      softmax_row(scaled.data(), scaled.size(), out);
      return;
    }
    default:
      for (size_t k = 0; k < n; ++k) out[k] = one<Value>(output.link, read(x, k));
  }
}

template <typename Score, typename Value>
void apply_all(const Output& output, const Score* scores, size_t rows, size_t n, Value* values) {
  const size_t columns = value_columns(output, n);
  if (output.link.divisor == 1) {
    for (size_t r = 0; r < rows; ++r) apply_row(output, scores + r * n, n, values + r * columns);
    return;
  }
  std::vector<Score> divided(n);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t k = 0; k < n; ++k)
      divided[k] = scores[r * n + k] / static_cast<Score>(output.link.divisor);
    apply_row(output, divided.data(), n, values + r * columns);
  }
}

template <typename Value>
void expand(const Output& output, const Value* values, size_t rows, size_t columns, Value* out) {
  if (columns == 1 && output.labels.size() == 1 && output.labels[0].size() == 2) {
    for (size_t r = 0; r < rows; ++r) {
      out[2 * r] = Value{1} - values[r];
      out[2 * r + 1] = values[r];
    }
    return;
  }
  std::copy(values, values + rows * columns, out);
}

// As numpy's argmax: the first of the largest, where NaN counts as larger than any number.
template <typename Value>
int32_t first_largest(const Value* values, size_t n) {
  size_t found = 0;
  for (size_t k = 0; k < n; ++k) {
    if (std::isnan(values[k])) return static_cast<int32_t>(k);
    if (values[k] > values[found]) found = k;
  }
  return static_cast<int32_t>(found);
}

template <typename Value>
void decide_all(const Output& output, const Value* values, size_t rows, size_t columns,
                int32_t* classes) {
  const size_t targets = output.labels.empty() ? 1 : output.labels.size();
  for (size_t r = 0; r < rows; ++r) {
    const Value* row = values + r * columns;
    int32_t* out = classes + r * targets;
    switch (output.decision) {
      case Decision::kThreshold:
        for (size_t t = 0; t < targets; ++t)
          out[t] = static_cast<double>(row[t]) > output.threshold ? 1 : 0;
        break;
      case Decision::kThresholdInclusive:
        out[0] = static_cast<double>(row[0]) >= output.threshold ? 1 : 0;
        break;
      case Decision::kOutlier:
        out[0] = static_cast<double>(row[0]) - output.threshold < 0 ? -1 : 1;
        break;
      default:
        for (size_t t = 0; t < targets; ++t) {
          const size_t n = output.labels.empty() ? columns : output.labels[t].size();
          if (columns == 1 && n == 2)  // the class of [1 - p, p], ties to the first
            out[t] = row[0] > Value{1} - row[0] ? 1 : 0;
          else
            out[t] = first_largest(row, n);
          row += n;
        }
    }
  }
}

template <typename Function>
void with_type(NumberType type, const void* p, Function&& function) {
  if (type == NumberType::kFloat32)
    function(static_cast<const float*>(p));
  else
    function(static_cast<const double*>(p));
}

}  // namespace

void apply(const Output& output, NumberType score_type, const void* scores, size_t rows,
           size_t n_raw, void* values) {
  with_type(score_type, scores, [&](const auto* typed) {
    if (output.value_type == NumberType::kFloat32)
      apply_all(output, typed, rows, n_raw, static_cast<float*>(values));
    else
      apply_all(output, typed, rows, n_raw, static_cast<double*>(values));
  });
}

void probabilities(const Output& output, const void* values, size_t rows, size_t n_raw, void* out) {
  const size_t columns = value_columns(output, n_raw);
  if (output.value_type == NumberType::kFloat32)
    expand(output, static_cast<const float*>(values), rows, columns, static_cast<float*>(out));
  else
    expand(output, static_cast<const double*>(values), rows, columns, static_cast<double*>(out));
}

void decide(const Output& output, NumberType score_type, const void* scores, const void* values,
            size_t rows, size_t n_raw, int32_t* classes) {
  const void* seen = output.decision_on_raw ? scores : values;
  const NumberType type = output.decision_on_raw ? score_type : output.value_type;
  const size_t columns = output.decision_on_raw ? n_raw : value_columns(output, n_raw);
  with_type(type, seen,
            [&](const auto* typed) { decide_all(output, typed, rows, columns, classes); });
}

}  // namespace spinney::link
