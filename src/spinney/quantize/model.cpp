#include "spinney/quantize/model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "spinney/quantize/kernels.h"

namespace spinney::quantize {
namespace {

// Beyond this a float32 no longer holds every integer.
constexpr double kExactFloat = 1 << 24;

struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  double middle() const { return low + (high - low) / 2; }
  double half() const { return std::max(high - middle(), middle() - low); }
  double magnitude() const { return std::max(std::fabs(low), std::fabs(high)); }
};

// A floating-point type: its largest number, smallest step, and relative error times two.
struct Precision {
  double largest, step, epsilon;
};

template <typename T>
Precision precision() {
  using Limits = std::numeric_limits<T>;
  return {Limits::max(), Limits::denorm_min(), Limits::epsilon()};
}

Precision precision_of(NumberType type) {
  return type == NumberType::kFloat32 ? precision<float>() : precision<double>();
}

// Codes one forest. Each tree's leaves lie around a middle of their own, so that the scale, shared
// by all trees of an output, need only span the widest tree.
class ForestCoder {
 public:
  ForestCoder(const Forest& forest, CodeType type)
      : forest_(forest), width_(forest.settings().leaf_width), type_(type) {}

  Result<Forest> code(Quantization& quantization) {
    SPINNEY_TRY(measure());
    const ForestSettings& settings = forest_.settings();
    const size_t n = settings.n_outputs;
    scales_.assign(n, 0);
    for (size_t t = 0; t < forest_.n_trees(); ++t)
      for (uint32_t w = 0; w < width_; ++w) {
        double& scale = scales_[output(t, w)];
        scale = std::max(scale, extents_[t * width_ + w].half() / code_max(type_));
      }
    for (double& scale : scales_)
      if (!(scale > 0)) scale = 1;
    leaf_errors_.assign(n, 0);
    code_sums_.assign(n, 0);
    ForestParts parts = code_trees();
    SPINNEY_TRY(finish(quantization));
    const double largest = *std::max_element(code_sums_.begin(), code_sums_.end());
    parts.settings.accumulator =
        largest <= kExactFloat ? NumberType::kFloat32 : NumberType::kFloat64;
    return make_forest(std::move(parts));
  }

 private:
  size_t output(size_t tree, uint32_t w) const {
    return width_ == 1 ? forest_.tree_target[tree] : w;
  }

  Status measure() {
    extents_.resize(forest_.n_trees() * width_);
    for (size_t t = 0; t < forest_.n_trees(); ++t)
      for (const Node& node : forest_.tree(t)) {
        if (!node.is_leaf()) continue;
        for (uint32_t w = 0; w < width_; ++w) {
          const double value = leaf_value(node, w);
          if (!std::isfinite(value))
            return unsupported("a leaf of tree " + std::to_string(t) + " is " +
                               std::to_string(value) + ", which has no code");
          extents_[t * width_ + w].take(value);
        }
      }
    return {};
  }

  double leaf_value(const Node& leaf, uint32_t w) const {
    return forest_.leaf_values[size_t{leaf.leaf_row()} * width_ + w];
  }

  ForestParts code_trees() {
    ForestParts parts;
    const auto copy = [](auto& to, const auto& from) { to.assign(from.begin(), from.end()); };
    parts.settings = forest_.settings();
    parts.settings.divisor = 1;
    parts.settings.scale = 1;
    copy(parts.tree_begin, forest_.tree_begin);
    copy(parts.tree_target, forest_.tree_target);
    copy(parts.nodes, forest_.nodes);
    copy(parts.category_sets, forest_.category_sets);
    copy(parts.category_words, forest_.category_words);
    parts.base.assign(forest_.settings().n_outputs, 0);
    for (size_t t = 0; t < forest_.n_trees(); ++t) code_tree(t, parts);
    return parts;
  }

  // Every leaf gets a row of its own: rows that trees share have other codes in each.
  void code_tree(size_t t, ForestParts& parts) {
    std::vector<double> errors(width_, 0), largest(width_, 0);
    for (size_t i = forest_.tree_begin[t]; i < forest_.tree_begin[t + 1]; ++i) {
      Node& node = parts.nodes[i];
      if (!node.is_leaf()) continue;
      const auto row = static_cast<uint32_t>(parts.leaf_values.size() / width_);
      for (uint32_t w = 0; w < width_; ++w) {
        const double middle = extents_[t * width_ + w].middle();
        const double scale = scales_[output(t, w)];
        const double value = leaf_value(node, w);
        const double most = code_max(type_);
        const double code = std::clamp(std::nearbyint((value - middle) / scale), -most, most);
        parts.leaf_values.push_back(code + 0.0);
        errors[w] = std::max(errors[w], std::fabs(value - (middle + scale * code)));
        largest[w] = std::max(largest[w], std::fabs(code));
      }
      node.feature = row;
    }
    for (uint32_t w = 0; w < width_; ++w) {
      leaf_errors_[output(t, w)] += errors[w];
      code_sums_[output(t, w)] += largest[w];
    }
  }

  Status finish(Quantization& quantization) const {
    const ForestSettings& settings = forest_.settings();
    const size_t n = settings.n_outputs;
    std::vector<double> middles(n, 0), sizes(n, 0), trees(n, 0);
    for (size_t k = 0; k < n; ++k) sizes[k] = std::fabs(forest_.base[k]);
    for (size_t t = 0; t < forest_.n_trees(); ++t)
      for (uint32_t w = 0; w < width_; ++w) {
        const size_t k = output(t, w);
        middles[k] += extents_[t * width_ + w].middle();
        sizes[k] += extents_[t * width_ + w].magnitude();
        trees[k] += 1;
      }
    // The library's own sum of n terms has an error of up to n epsilons times the sum of their
    // sizes; the coded one of a few epsilons.
    const Precision precision = precision_of(settings.accumulator);
    const double divisor = std::fabs(settings.divisor);
    for (size_t k = 0; k < n; ++k) {
      // No bound can be given where the sum may overflow, or where it is divided by less than one.
      const double most = sizes[k] * 2 * std::max(1.0, 1 / divisor);
      if (!(most < precision.largest))
        return unsupported("the leaves of output " + std::to_string(k) + " add up to as much as " +
                           std::to_string(sizes[k]) + ", which is so large that the scores " +
                           "themselves may overflow: no error can be proven");
      // Subnormal numbers are rounded to multiples of the smallest one: an absolute error, not a
      // relative one.
      const double rounding =
          (trees[k] + 4) * (precision.epsilon * sizes[k] + precision.step * (1 + divisor));
      // What the library does to its sums at last is done to the coded ones as well; of a scale and
      // a shift, three roundings more of what comes of them.
      const double scale = settings.scale;
      const double shift = forest_.shift.empty() ? 0 : forest_.shift[k];
      const double scaled = (leaf_errors_[k] + rounding) / divisor * std::fabs(scale);
      const bool plain = scale == 1 && forest_.shift.empty();
      const double ends = std::fabs(scale) * sizes[k] / divisor + std::fabs(shift);
      if (!(ends * 2 < precision.largest))
        return unsupported("the scores of output " + std::to_string(k) +
                           " may overflow: no error can be proven");
      quantization.scales.push_back(scales_[k] / settings.divisor * scale);
      quantization.offsets.push_back((forest_.base[k] + middles[k]) / settings.divisor * scale +
                                     shift);
      quantization.bounds.push_back(scaled + (plain ? 0 : 4 * precision.epsilon * ends));
    }
    return {};
  }

  const Forest& forest_;
  const uint32_t width_;
  const CodeType type_;
  std::vector<Extent> extents_;  // per tree and value of a leaf
  std::vector<double> scales_, leaf_errors_, code_sums_;
};

Result<double> half_of(double weight) {
  const auto narrow = static_cast<float>(weight);
  uint16_t half = 0;
  float back = 0;
  kernels().to_half(&narrow, 1, &half);
  kernels().from_half(&half, 1, &back);
  if (!std::isfinite(back))
    return unsupported("the weight " + std::to_string(weight) + " is beyond the range of float16");
  return static_cast<double>(back);
}

Result<Linear> code_linear(const Linear& linear, CodeType type, Quantization& quantization) {
  Linear coded = linear;
  std::vector<double> codes(linear.weights.size());
  const size_t n = linear.n_features;
  for (size_t k = 0; k < linear.n_outputs; ++k) {
    double largest = 0;
    for (size_t j = 0; j < n; ++j) {
      const double weight = linear.weights[k * n + j];
      if (!std::isfinite(weight))
        return unsupported("weight " + std::to_string(j) + " is " + std::to_string(weight) +
                           ", which has no code");
      largest = std::max(largest, std::fabs(weight));
    }
    const bool half = type == CodeType::kFloat16;
    const double scale = half || largest == 0 ? 1 : largest / code_max(type);
    for (size_t j = 0; j < n; ++j) {
      const double weight = linear.weights[k * n + j];
      double code = std::nearbyint(weight / scale);
      if (half) {
        SPINNEY_ASSIGN(code, half_of(weight));
      }
      codes[k * n + j] = code + 0.0;
    }
    quantization.scales.push_back(scale);
    quantization.offsets.push_back(linear.bias[k]);
  }
  coded.weights = std::move(codes);
  coded.bias = std::vector<double>(linear.n_outputs, 0);
  coded.own_bias = {};
  return make_linear(std::move(coded));
}

Status check(const Description& model, CodeType type) {
  const std::string kind = model.source.kind.empty() ? "the model" : model.source.kind;
  if (model.quantization) return unsupported(kind + " is quantized already");
  if (const auto* forest = std::get_if<Forest>(&model.scorer)) {
    if (type == CodeType::kFloat16)
      return unsupported("leaves of a forest are quantized to int8 or int16, not float16");
    if (forest->settings().reduction != Reduction::kSum)
      return unsupported(kind + " takes a weighted median of its trees, which no sum of codes is");
    if (!forest->linear_leaves.empty())
      return unsupported(kind + " has leaves that are linear functions, which have no codes");
    return {};
  }
  if (std::holds_alternative<GraphPtr>(model.scorer))
    return unsupported(kind + " is an ensemble of whole models; only a forest or a linear model " +
                       "can be quantized");
  if (type == CodeType::kInt16)
    return unsupported("weights of a linear model are quantized to int8 or float16, not int16");
  return {};
}

}  // namespace

Result<Description> quantize_model(const Description& model, CodeType type) {
  SPINNEY_TRY(check(model, type));
  DescriptionParts coded = model.parts();
  Quantization quantization;
  quantization.type = type;
  quantization.score_type = model.score_type();
  if (const auto* forest = std::get_if<Forest>(&model.scorer)) {
    SPINNEY_ASSIGN(coded.scorer, ForestCoder(*forest, type).code(quantization));
  } else {
    SPINNEY_ASSIGN(coded.scorer, code_linear(std::get<Linear>(model.scorer), type, quantization));
  }
  coded.quantization = std::move(quantization);
  return make_description(std::move(coded));
}

}  // namespace spinney::quantize
