// A forest becomes a checkpoint, or an error that names what a checkpoint has no word for.
#include <cmath>
#include <limits>
#include <string>

#include "spinney/load/treelite/checkpoint.h"
#include "spinney/load/treelite/treelite.h"

namespace spinney::load {
namespace treelite {
namespace {

Error cannot(const std::string& what) {
  return unsupported("a checkpoint of Treelite cannot express " + what +
                     "; save a .spinney file instead");
}

Status set_postprocessor(const Description& model, Checkpoint& out) {
  const Link& link = model.output.link;
  switch (link.kind) {
    case LinkKind::kIdentity:
      out.postprocessor = model.n_outputs() > 1 ? "identity_multiclass" : "identity";
      return {};
    case LinkKind::kXgbSigmoid:
    case LinkKind::kLgbSigmoid:
    case LinkKind::kExpit:
    case LinkKind::kTreeliteSigmoid:
      // Several scores become probabilities one by one.
      out.postprocessor = out.n_classes[0] > 1 ? "multiclass_ova" : "sigmoid";
      if (link.kind != LinkKind::kXgbSigmoid)
        out.sigmoid_alpha = static_cast<float>(link.parameter);
      if (static_cast<double>(out.sigmoid_alpha) == link.parameter) return {};
      return cannot("the sigmoid's scale " + std::to_string(link.parameter) + ", no float32");
    case LinkKind::kXgbSoftmax:
    case LinkKind::kXgbMultiArgmax:
    case LinkKind::kLgbSoftmax:
    case LinkKind::kSoftmax:
    case LinkKind::kPairwiseSoftmax:
    case LinkKind::kCatboostSoftmax:
    case LinkKind::kTreeliteSoftmax:
      out.postprocessor = "softmax";
      return {};
    case LinkKind::kXgbHinge:
      out.postprocessor = "hinge";
      return {};
    case LinkKind::kExpFloat:
    case LinkKind::kExp:
    case LinkKind::kCatboostExp:
    case LinkKind::kTreeliteExp:
      out.postprocessor = "exponential";
      return {};
    case LinkKind::kSignedSquare:
    case LinkKind::kTreeliteSignedSquare:
      out.postprocessor = "signed_square";
      return {};
    case LinkKind::kLog1pExp:
    case LinkKind::kTreeliteLog1pExp:
      out.postprocessor = "logarithm_one_plus_exp";
      return {};
    case LinkKind::kTreeliteExp2:
      out.postprocessor = "exponential_standard_ratio";
      out.ratio_c = static_cast<float>(link.parameter);
      return {};
    default:
      return cannot("what the model makes of its scores (" + model.output.objective + ")");
  }
}

// Whether a score of one class a target is meant, as XGBoost's models of several targets have it.
bool by_target(const Description& model) {
  if (model.n_outputs() == 1) return false;
  switch (model.output.link.kind) {
    case LinkKind::kExpFloat:
    case LinkKind::kExp:
    case LinkKind::kXgbHinge:
    case LinkKind::kSignedSquare:
    case LinkKind::kTreeliteExp:
    case LinkKind::kTreeliteExp2:
    case LinkKind::kTreeliteLog1pExp:
    case LinkKind::kTreeliteSignedSquare:
      return true;
    case LinkKind::kIdentity:
    case LinkKind::kXgbSigmoid:
    case LinkKind::kLgbSigmoid:
    case LinkKind::kExpit:
    case LinkKind::kTreeliteSigmoid:
      return model.output.task != Task::kMulticlass;
    default:  // of all scores together
      return false;
  }
}

Status refuse(const Description& model, const Forest& forest) {
  const ForestSettings& s = forest.settings();
  if (model.quantization) return cannot("a quantized model");
  if (model.category_tables) return cannot("columns that are computed of categories");
  if (!model.number_codes.empty()) return cannot("columns that are encoded");
  if (s.reduction != Reduction::kSum) return cannot("a weighted median of trees");
  if (!forest.linear_leaves.empty()) return cannot("leaves that are linear functions");
  if (!forest.matrix_leaf_values.empty()) return cannot("DART's weights of an XGBoost before 3.3");
  if (s.scale != 1) return cannot("sums that are multiplied by " + std::to_string(s.scale));
  if (!std::isnan(s.missing_value))
    return cannot("a second missing value besides NaN, " + std::to_string(s.missing_value));
  if (s.n_features > INT32_MAX || s.n_outputs > INT32_MAX) return cannot("so many columns");
  return {};
}

class TreeWriter {
 public:
  TreeWriter(const Forest& forest, NumberType type) : forest_(forest), type_(type) {}

  Result<Tree> write(size_t t) const {
    const auto nodes = forest_.tree(t);
    Tree tree;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const Node& node = nodes[i];
      tree.vector_begin.push_back(tree.leaf_vector.size());
      tree.list_begin.push_back(tree.categories.size());
      if (node.is_leaf()) {
        put_leaf(node, tree);
      } else {
        const Status status = put_split(node, tree);
        if (!status.ok())
          return Error{status.error().code, "tree " + std::to_string(t) + ", node " +
                                                std::to_string(i) + ": " + status.error().message};
      }
      tree.vector_end.push_back(tree.leaf_vector.size());
      tree.list_end.push_back(tree.categories.size());
    }
    return tree;
  }

 private:
  static void put(Tree& tree, NodeType type, Operator test, double leaf, double threshold) {
    tree.type.push_back(static_cast<int8_t>(type));
    tree.comparison.push_back(static_cast<int8_t>(test));
    tree.leaf_value.push_back(leaf);
    tree.threshold.push_back(threshold);
  }

  void put_leaf(const Node& node, Tree& tree) const {
    const uint32_t n = forest_.settings().leaf_width;
    const double* values = forest_.leaf_values.data() + size_t{node.leaf_row()} * n;
    put(tree, NodeType::kLeaf, Operator::kNone, n == 1 ? values[0] : 0, 0);
    tree.left.push_back(-1), tree.right.push_back(-1), tree.feature.push_back(-1);
    tree.default_left.push_back(0), tree.list_right.push_back(0);
    if (n > 1) tree.leaf_vector.insert(tree.leaf_vector.end(), values, values + n);
  }

  Status put_split(const Node& node, Tree& tree) const {
    bool default_left = node.default_left(), list_right = false;
    if (node.is_categorical()) {
      put(tree, NodeType::kCategorical, Operator::kNone, 0, 0);
      SPINNEY_TRY(put_categories(node, tree, list_right));
    } else {
      if (node.missing == MissingRule::kZeroOrNan) return cannot("that zeros are missing");
      if (node.missing == MissingRule::kNanIsZero) default_left = forest_.goes_left(node, 0);
      put_comparison(node, tree);
    }
    tree.left.push_back(node.left), tree.right.push_back(node.right);
    tree.feature.push_back(static_cast<int32_t>(node.feature));
    tree.default_left.push_back(default_left), tree.list_right.push_back(list_right);
    return {};
  }

  // Where the model rounds rows to float32 and the checkpoint does not, a value is left of the
  // threshold if it rounds to what is: up to the middle between the threshold and the next number.
  void put_comparison(const Node& node, Tree& tree) const {
    const ForestSettings& s = forest_.settings();
    const bool less = s.comparison == Comparison::kLess;
    const Operator test = less ? Operator::kLess : Operator::kLessEqual;
    const double t = node.threshold;
    if (s.input == type_ || std::isnan(t)) {
      put(tree, NodeType::kNumerical, test, 0, t);
      return;
    }
    const auto last = static_cast<float>(t);  // the last that goes left, or the first that does not
    const float beside = std::nextafter(last, less ? -std::numeric_limits<float>::infinity()
                                                   : std::numeric_limits<float>::infinity());
    double limit = t;
    if (std::isfinite(last)) {
      // Beyond the largest float32, the next one would be twice the largest power of two.
      const double next = std::isfinite(beside)
                              ? static_cast<double>(beside)
                              : std::copysign(std::ldexp(1.0, 128), static_cast<double>(beside));
      limit = t + (next - t) / 2;
    } else if (less ? t > 0 : t < 0) {
      limit = std::copysign(std::ldexp(1.0, 128) - std::ldexp(1.0, 103), t);
    }
    // The middle itself rounds to the even one of the two.
    const bool rounds_left = static_cast<double>(static_cast<float>(limit)) < t ||
                             (!less && static_cast<double>(static_cast<float>(limit)) <= t);
    put(tree, NodeType::kNumerical, rounds_left ? Operator::kLessEqual : Operator::kLess, 0, limit);
  }

  Status put_categories(const Node& node, Tree& tree, bool& list_right) const {
    const CategorySet& set = forest_.category_sets[node.category_set()];
    if (set.fraction_below_zero_is_zero) {
      const bool zero_left =
          set.word_count ? forest_.category_words[set.first_word] & 1 : set.other_left;
      if (zero_left != (set.other_left != 0))
        return cannot("that -0.5 is of category 0, as in LightGBM");
    }
    list_right = set.other_left != 0;
    for (uint32_t w = 0; w < set.word_count; ++w) {
      const uint32_t word = forest_.category_words[set.first_word + w];
      for (uint32_t bit = 0; bit < 32; ++bit)
        if (((word >> bit & 1) != 0) != list_right) tree.categories.push_back(w * 32 + bit);
    }
    return {};
  }

  const Forest& forest_;
  NumberType type_;
};

// A tree that is one leaf: what the sum begins with, where that is not zero.
void put_first(const Forest& forest, Checkpoint& out) {
  const ForestSettings& s = forest.settings();
  const auto put = [&](std::vector<double> values, int32_t target, int32_t c) {
    Tree tree;
    tree.type = {static_cast<int8_t>(NodeType::kLeaf)};
    tree.comparison = {0}, tree.left = {-1}, tree.right = {-1}, tree.feature = {-1};
    tree.default_left = {0}, tree.list_right = {0}, tree.threshold = {0};
    tree.leaf_value = {values.size() == 1 ? values[0] : 0};
    if (values.size() > 1) tree.leaf_vector = std::move(values);
    tree.vector_begin = {0}, tree.list_begin = {0}, tree.list_end = {0};
    tree.vector_end = {tree.leaf_vector.size()};
    out.trees.push_back(std::move(tree));
    out.target_id.push_back(target), out.class_id.push_back(c);
  };
  bool any = false;
  for (const double base : forest.base.span()) any = any || base != 0;
  if (!any) return;
  const bool targets = out.n_targets > 1;
  if (s.leaf_width > 1) {
    put({forest.base.begin(), forest.base.end()}, targets ? -1 : 0, targets ? 0 : -1);
    return;
  }
  for (uint32_t k = 0; k < s.n_outputs; ++k)
    if (forest.base[k] != 0)
      put({forest.base[k]}, targets ? static_cast<int32_t>(k) : 0,
          targets ? 0 : static_cast<int32_t>(k));
}

Status set_average(const Description& model, const Forest& forest, Checkpoint& out) {
  const ForestSettings& s = forest.settings();
  if (model.output.link.divisor != 1 && s.divisor != 1) return cannot("two averages");
  const double divisor = s.divisor != 1 ? s.divisor : model.output.link.divisor;
  if (divisor == 1) return {};
  std::vector<size_t> counts(s.n_outputs);
  for (size_t t = 0; t < forest.n_trees(); ++t)
    for (uint32_t k = 0; k < s.n_outputs; ++k)
      counts[k] += s.leaf_width > 1 || forest.tree_target[t] == k;
  for (const size_t count : counts)
    if (static_cast<double>(count) != divisor || !out.trees.empty())
      return cannot("sums that are divided by " + std::to_string(divisor) +
                    ", which is not the number of their trees");
  if (!forest.shift.empty() && s.divisor == 1) return cannot("an average of what is added last");
  out.average = true;
  return {};
}

}  // namespace

Result<Checkpoint> checkpoint_of(const Description& model) {
  const auto* forest = std::get_if<Forest>(&model.scorer);
  if (!forest) return cannot("a " + model.source.kind + ", which is no forest alone");
  SPINNEY_TRY(refuse(model, *forest));
  const ForestSettings& s = forest->settings();
  Checkpoint out;
  out.type = s.accumulator;
  if (s.input == NumberType::kFloat64 && out.type == NumberType::kFloat32)
    return cannot("thresholds of float64 beside sums of float32");
  constexpr TaskType kTasks[] = {TaskType::kRegressor, TaskType::kBinary, TaskType::kMulticlass,
                                 TaskType::kRanking, TaskType::kIsolation};
  out.task = kTasks[static_cast<size_t>(model.output.task)];
  out.n_features = static_cast<int32_t>(s.n_features);
  const auto n = static_cast<int32_t>(s.n_outputs);
  const bool targets = by_target(model);
  out.n_targets = targets ? n : 1;
  out.n_classes.assign(static_cast<size_t>(out.n_targets), targets ? 1 : n);
  if (!targets && n > 1) out.task = TaskType::kMulticlass;
  if (s.leaf_width > 1) out.leaf_shape = {out.n_targets, out.n_classes[0]};
  SPINNEY_TRY(set_postprocessor(model, out));
  put_first(*forest, out);
  SPINNEY_TRY(set_average(model, *forest, out));
  out.base_scores.assign(s.n_outputs, 0);
  if (!forest->shift.empty()) out.base_scores.assign(forest->shift.begin(), forest->shift.end());
  const TreeWriter writer(*forest, out.type);
  for (size_t t = 0; t < forest->n_trees(); ++t) {
    SPINNEY_ASSIGN(Tree tree, writer.write(t));
    out.trees.push_back(std::move(tree));
    const auto target = static_cast<int32_t>(forest->tree_target[t]);
    out.target_id.push_back(s.leaf_width > 1 ? (targets ? -1 : 0) : targets ? target : 0);
    out.class_id.push_back(s.leaf_width > 1 ? (targets ? 0 : -1) : targets ? 0 : target);
  }
  return out;
}

}  // namespace treelite

Result<std::vector<char>> treelite_bytes(const Description& model) {
  SPINNEY_ASSIGN(const treelite::Checkpoint checkpoint, treelite::checkpoint_of(model));
  return treelite::checkpoint_bytes(checkpoint);
}

}  // namespace spinney::load
