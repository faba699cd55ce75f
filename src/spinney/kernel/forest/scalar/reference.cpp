#include "spinney/kernel/forest/scalar/reference.h"

#include <cmath>
#include <vector>

#include "spinney/model/median.h"

namespace spinney::kernel {
namespace {

template <typename Real>
void add_trees(const Forest& forest, const Rows& rows, size_t r, Real* scores) {
  const ForestSettings& s = forest.settings();
  for (size_t t = 0; t < forest.n_trees(); ++t) {
    const uint32_t leaf_row = forest.tree(t)[forest.find_leaf(t, rows, r)].leaf_row();
    if (s.leaf_width == 1) {
      Real& score = scores[forest.tree_target[t]];
      score += static_cast<Real>(leaf_value(forest, leaf_row, 0, rows, r));
    } else {
      for (uint32_t k = 0; k < s.leaf_width; ++k)
        scores[k] += static_cast<Real>(leaf_value(forest, leaf_row, k, rows, r));
    }
  }
}

class Reference final : public ForestEvaluator {
 public:
  explicit Reference(const Forest& forest) : forest_(forest) {}
  std::string_view name() const override { return "reference.scalar"; }
  size_t bytes() const override { return 0; }
  double cost_ns(size_t rows) const override {
    return static_cast<double>(rows) * static_cast<double>(forest_.n_trees()) * 60.0;
  }

  void score(const Rows& rows, Scores scores) const override {
    const bool f32 = forest_.settings().accumulator == NumberType::kFloat32;
    for (size_t r = 0; r < rows.count; ++r) {
      if (forest_.settings().reduction == Reduction::kWeightedMedian) {
        median(rows, r, static_cast<double*>(scores.data) + r * scores.row_stride);
      } else if (f32) {
        add_trees(forest_, rows, r, static_cast<float*>(scores.data) + r * scores.row_stride);
      } else {
        add_trees(forest_, rows, r, static_cast<double*>(scores.data) + r * scores.row_stride);
      }
    }
  }

 private:
  void median(const Rows& rows, size_t r, double* score) const {
    std::vector<double> values(forest_.n_trees());
    for (size_t t = 0; t < values.size(); ++t) {
      const uint32_t leaf_row = forest_.tree(t)[forest_.find_leaf(t, rows, r)].leaf_row();
      values[t] = leaf_value(forest_, leaf_row, 0, rows, r);
    }
    *score = weighted_median(values, forest_.tree_weights.span());
  }

  Forest forest_;  // shares the arrays, copies none
};

}  // namespace

double leaf_value(const Forest& forest, uint32_t leaf_row, uint32_t k, const Rows& rows, size_t r) {
  const double plain = forest.leaf_values[size_t{leaf_row} * forest.settings().leaf_width + k];
  if (forest.linear_leaves.empty()) return plain;
  const LinearLeaf& leaf = forest.linear_leaves[leaf_row];
  double sum = leaf.constant;
  for (uint32_t i = leaf.first_term; i < leaf.first_term + leaf.term_count; ++i) {
    double value = rows.at(r, forest.term_features[i]);
    if (std::isnan(value)) return plain;
    if (std::fabs(value) <= kZeroThreshold) value = 0;
    sum += forest.term_weights[i] * value;
  }
  return sum;
}

Result<std::unique_ptr<ForestEvaluator>> make_reference(const Forest& forest) {
  return std::unique_ptr<ForestEvaluator>(std::make_unique<Reference>(forest));
}

}  // namespace spinney::kernel
