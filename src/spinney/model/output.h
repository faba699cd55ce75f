// Output: what a model's raw scores become, as the object that was saved would have it.
//
//   raw scores --link--> values --decision--> what predict() gives
//
// predict_raw gives the raw scores; predict_proba the values of a classifier, one column a class;
// predict the values, or labels, as `decision` says.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/rows.h"

namespace spinney {

// These numbers, and those of every enumeration of a model, are stored in artifacts: append only.
enum class LinkKind : uint8_t {
  kIdentity = 0,
  // XGBoost, in float32.
  kXgbSigmoid = 1,      // 1 / (1 + exp(-x)), as XGBoost writes it
  kXgbSoftmax = 2,      // over all outputs
  kXgbMultiArgmax = 3,  // multi:softmax: one value, the index of the largest score, as float32
  kXgbHinge = 4,        // 1 if x > 0 else 0
  kExpFloat = 5,        // exp(x) in float32 (poisson, gamma, tweedie, cox)
  // LightGBM, in float64. `parameter` is its sigmoid.
  kLgbSigmoid = 6,  // 1 / (1 + exp(-parameter * x)), each output (binary, multiclassova)
  kLgbSoftmax = 7,
  kExp = 8,           // exp(x) (poisson, gamma, tweedie; XGBoost's aft, rounded to float32)
  kSignedSquare = 9,  // sign(x) * x * x (reg_sqrt)
  kLog1pExp = 10,     // log1p(exp(x)) (cross_entropy_lambda)
  // scikit-learn, in float64.
  kExpit = 11,           // 1 / (1 + exp(-parameter * x)), as scipy.special.expit
  kSoftmax = 12,         // exp(x - max) / sum, added up in order
  kExpitNormalize = 16,  // expit of each score, then x / sum(x) (one-vs-rest logistic regression)
  kNormalize = 13,       // x / sum(x); a zero sum gives 1 / n_outputs (one-vs-rest classifiers)
  kIsolation = 14,       // -2 ** (-x / parameter): score_samples of an IsolationForest
  kSammeProba = 15,      // AdaBoost SAMME: softmax(x / (n_classes - 1)); see `Output::link`
  // XGBoost since 3.4, in float32, over the outputs of one row.
  kXgbAscending = 17,    // sorted, so that quantiles do not cross
  kXgbSoftplusSum = 18,  // each value is the one before it, 1e-6 and softplus(x) (expectiles)
  // Softmax of numpy over rows that lie together: the sum is pairwise, in the values' own type
  // (sklearn.utils.extmath.softmax, scipy.special.softmax).
  kPairwiseSoftmax = 19,
  // CatBoost, in float64, by its own exponential (link/fast_exp.h).
  kCatboostExp = 20,          // exp(x) (Poisson, Tweedie)
  kCatboostSoftmax = 21,      // exp(x - max) / sum, added up in order (MultiClass)
  kCatboostUncertainty = 22,  // x of the first output, exp(2 * x) of the second
  // Treelite's post-processors, in the type of the values.
  kTreeliteSigmoid = 23,       // 1 / (1 + exp(-parameter * x))
  kTreeliteSoftmax = 24,       // exp(x - max) and max in float32, their sum in float64
  kTreeliteExp = 25,           // exp(x)
  kTreeliteExp2 = 26,          // exp2(-x / parameter)
  kTreeliteLog1pExp = 27,      // log1p(exp(x))
  kTreeliteSignedSquare = 28,  // x * x with the sign of x
};

struct Link {
  LinkKind kind = LinkKind::kIdentity;
  double parameter = 1;
  // Scores are divided by this before the link. LightGBM's random forests average that way: their
  // raw scores stay sums. (Forest's own divisor is for averages that are raw scores.)
  double divisor = 1;
};

enum class Decision : uint8_t {
  kValues = 0,  // the values themselves
  kArgmax = 1,  // the class of the largest value (first one on ties)
  // A value a target (XGBoost's multi-label classifiers have several): class 1 where
  // value > threshold, else class 0.
  kThreshold = 2,
  kThresholdInclusive = 3,  // one value: class 1 where value >= threshold
  kOutlier = 4,             // one raw-derived value: -1 where value - threshold < 0, else 1
  kByNode = 5,              // a graph's own node for classes (graph.h)
};

// A classifier's labels in the order of its columns. Booleans are kept as 0 and 1 with is_bool.
struct Labels {
  std::variant<std::vector<int64_t>, std::vector<double>, std::vector<std::string>> values;
  bool is_bool = false;
  // numpy dtype of the labels (label_type.h): integers and booleans are kept as int64_t, every
  // float as double, texts, bytes and objects as strings.
  std::string dtype = "<i8";
  size_t size() const {
    return std::visit([](const auto& v) { return v.size(); }, values);
  }
};

enum class Task : uint8_t {
  kRegression = 0,
  kBinary = 1,
  kMulticlass = 2,
  kRanking = 3,
  kOutlier = 4,
};

struct Output {
  Task task = Task::kRegression;
  std::string objective;  // the library's own name: "binary:logistic", "regression", "gini"
  Link link;
  // What the link is applied to: raw scores, or (scikit-learn thresholds raw scores in places)
  // `decision_on_raw` makes the decision look at raw scores instead of values.
  bool decision_on_raw = false;
  Decision decision = Decision::kValues;
  double threshold = 0.5;
  // dtype of the values (predict_proba, and predict when it gives values).
  NumberType value_type = NumberType::kFloat32;
  // One set of labels per target (scikit-learn's multi-output classifiers have several, each
  // owning labels[i].size() consecutive values); empty where predict gives values.
  std::vector<Labels> labels;
  bool has_probabilities = false;  // predict_proba exists; a single value p becomes [1 - p, p]
  // predict and predict_raw give shape (rows,) for one column, else (rows, columns). Some objects
  // keep the second axis even for one column (an estimator fitted with 2-D y).
  bool keep_column_axis = false;
};

// Columns of values that the link makes of n_raw scores.
inline size_t value_columns(const Output& output, size_t n_raw) {
  if (output.link.kind == LinkKind::kXgbMultiArgmax) return 1;
  if (output.link.kind == LinkKind::kSammeProba && n_raw == 1) return 2;
  return n_raw;
}
// Columns of predict_proba.
inline size_t probability_columns(const Output& output, size_t n_raw) {
  const size_t columns = value_columns(output, n_raw);
  if (columns == 1 && output.labels.size() == 1 && output.labels[0].size() == 2) return 2;
  return columns;
}

// Whether decisions stay within n_raw scores and the labels, these fit their dtype, and the link's
// numbers are such that a library writes; kCorrupt, kUnsupported or kTooLarge, saying how not.
Status check_output(const Output& output, size_t n_raw);

}  // namespace spinney
