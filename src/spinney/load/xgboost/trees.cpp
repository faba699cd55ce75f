#include "spinney/load/xgboost/trees.h"

#include <algorithm>
#include <limits>

#include "spinney/load/file/budget.h"

namespace spinney::load::xgboost {
namespace {

// Category sets are bitmaps; XGBoost's categories stay below 2^24, so that one set takes up to 2 MB
// for a handful of bytes in a file, which the file's budget pays for.
constexpr int64_t kCategoryMax = (int64_t{1} << 24) - 1;
// How XGBoost marks a node that pruning took away.
constexpr int64_t kDeletedFeature = std::numeric_limits<int32_t>::max();

std::string at(size_t tree) { return "tree " + std::to_string(tree); }
std::string at(size_t tree, size_t node) { return at(tree) + ", node " + std::to_string(node); }

// One tree's arrays; kept from tree to tree, so that they are allocated once.
struct TreeArrays {
  std::vector<int64_t> left, right, feature, default_left, split_type;
  std::vector<float> condition, leaf_weight;
  std::vector<int64_t> categories, category_nodes, category_begin, category_count;
  std::vector<int32_t> renumbered;     // node -> its place without deleted nodes, or -1
  std::vector<int32_t> category_span;  // node -> index into category_nodes, or -1
  size_t n_nodes = 0;
  size_t leaf_width = 1;
  bool mapped_leaves = false;  // a leaf's row of leaf_weight is in `right`

  bool is_leaf(size_t i) const { return left[i] == -1; }
  bool is_deleted(size_t i) const { return feature[i] == kDeletedFeature && default_left[i] == 1; }
};

class TreeReader {
 public:
  TreeReader(const TreesContext& context, ForestParts& parts) : context_(context), parts_(parts) {}

  Status read(size_t t, const Field& tree, uint32_t target) {
    t_ = t;
    target_ = target;
    SPINNEY_TRY(read_sizes(tree));
    SPINNEY_TRY(read_nodes(tree));
    SPINNEY_TRY(read_leaf_weights(tree));
    SPINNEY_TRY(read_categories(tree));
    SPINNEY_TRY(renumber());
    weight_ = t < context_.weights.size() ? context_.weights[t] : 1.0f;
    for (size_t i = 0; i < a_.n_nodes; ++i)
      if (a_.renumbered[i] >= 0) SPINNEY_TRY(a_.is_leaf(i) ? add_leaf(i) : add_split(i));
    parts_.tree_begin.push_back(static_cast<uint32_t>(parts_.nodes.size()));
    parts_.tree_target.push_back(a_.leaf_width > 1 ? 0 : target);
    return {};
  }

 private:
  Status read_sizes(const Field& tree) {
    SPINNEY_ASSIGN(const Field param, tree.at("tree_param", at(t_)));
    SPINNEY_ASSIGN(const Field nodes, param.at("num_nodes", at(t_)));
    SPINNEY_ASSIGN(const int64_t n_nodes, nodes.integer("num_nodes"));
    if (n_nodes <= 0 || n_nodes > std::numeric_limits<int32_t>::max())
      return corrupt(at(t_) + " says that it has " + std::to_string(n_nodes) + " nodes");
    a_.n_nodes = static_cast<size_t>(n_nodes);
    int64_t width = 1;
    if (const Field size = param.find("size_leaf_vector")) {
      SPINNEY_ASSIGN(width, size.integer("size_leaf_vector"));
    }
    width = std::max<int64_t>(width, 1);  // 0 in models before 2.0
    if (width != 1 && width != context_.n_outputs)
      return corrupt(at(t_) + ": leaves of " + std::to_string(width) + " values in a model of " +
                     std::to_string(context_.n_outputs) + " outputs");
    a_.leaf_width = static_cast<size_t>(width);
    if (a_.leaf_width != parts_.settings.leaf_width)
      return unsupported(at(t_) + " has leaves of " + std::to_string(width) +
                         " values and others of " + std::to_string(parts_.settings.leaf_width) +
                         "; such mixed models are not supported");
    return {};
  }

  template <typename T>
  Status read_array(const Field& tree, std::string_view key, std::vector<T>& out) {
    SPINNEY_ASSIGN(const Field field, tree.at(key, at(t_)));
    if (const Status status = field.read(out, key); !status.ok())
      return Error{status.error().code, at(t_) + ": " + status.error().message};
    if (out.size() != a_.n_nodes)
      return corrupt(at(t_) + ": " + in_quotes(key) + " holds " + std::to_string(out.size()) +
                     " values for " + std::to_string(a_.n_nodes) + " nodes");
    return {};
  }

  // An array of any length, empty if the field is missing (models before categorical splits).
  Status read_optional(const Field& tree, std::string_view key, std::vector<int64_t>& out) {
    out.clear();
    const Field field = tree.find(key);
    if (!field) return {};
    if (const Status status = field.read(out, key); !status.ok())
      return Error{status.error().code, at(t_) + ": " + status.error().message};
    return {};
  }

  Status read_nodes(const Field& tree) {
    SPINNEY_TRY(read_array(tree, "left_children", a_.left));
    SPINNEY_TRY(read_array(tree, "right_children", a_.right));
    SPINNEY_TRY(read_array(tree, "split_indices", a_.feature));
    SPINNEY_TRY(read_array(tree, "split_conditions", a_.condition));
    SPINNEY_TRY(read_array(tree, "default_left", a_.default_left));
    SPINNEY_TRY(read_optional(tree, "split_type", a_.split_type));
    if (!a_.split_type.empty() && a_.split_type.size() != a_.n_nodes)
      return corrupt(at(t_) + ": \"split_type\" holds " + std::to_string(a_.split_type.size()) +
                     " values for " + std::to_string(a_.n_nodes) + " nodes");
    return {};
  }

  // Vector leaves: a row per node in "base_weights" up to 3.1; from 3.2 a row per leaf in
  // "leaf_weights", whose number stands where the right child of the leaf would.
  Status read_leaf_weights(const Field& tree) {
    a_.leaf_weight.clear();
    a_.mapped_leaves = false;
    if (a_.leaf_width == 1) return {};
    Field field = tree.find("leaf_weights");
    a_.mapped_leaves = static_cast<bool>(field);
    if (!field) {
      SPINNEY_ASSIGN(field, tree.at("base_weights", at(t_)));
    }
    const char* key = a_.mapped_leaves ? "leaf_weights" : "base_weights";
    if (const Status status = field.read(a_.leaf_weight, key); !status.ok())
      return Error{status.error().code, at(t_) + ": " + status.error().message};
    const size_t size = a_.leaf_weight.size();
    if (size % a_.leaf_width != 0 || (!a_.mapped_leaves && size / a_.leaf_width != a_.n_nodes))
      return corrupt(at(t_) + ": \"" + key + "\" holds " + std::to_string(size) +
                     " values for leaves of " + std::to_string(a_.leaf_width));
    size_t n_leaves = 0;
    for (size_t i = 0; i < a_.n_nodes; ++i) n_leaves += a_.is_leaf(i) && !a_.is_deleted(i);
    if (a_.mapped_leaves && n_leaves > size / a_.leaf_width)
      return corrupt(at(t_) + ": " + std::to_string(n_leaves) + " leaves share " +
                     std::to_string(size / a_.leaf_width) + " rows of \"leaf_weights\"");
    return {};
  }

  Status read_categories(const Field& tree) {
    a_.category_span.clear();
    if (std::find(a_.split_type.begin(), a_.split_type.end(), 1) == a_.split_type.end()) return {};
    SPINNEY_TRY(read_optional(tree, "categories", a_.categories));
    SPINNEY_TRY(read_optional(tree, "categories_nodes", a_.category_nodes));
    SPINNEY_TRY(read_optional(tree, "categories_segments", a_.category_begin));
    SPINNEY_TRY(read_optional(tree, "categories_sizes", a_.category_count));
    const size_t n = a_.category_nodes.size();
    if (a_.category_begin.size() != n || a_.category_count.size() != n)
      return corrupt(at(t_) +
                     ": its categorical splits' nodes, segments and sizes differ in "
                     "number");
    a_.category_span.assign(a_.n_nodes, -1);
    auto unclaimed = static_cast<int64_t>(a_.categories.size());
    for (size_t k = 0; k < n; ++k) {
      const int64_t node = a_.category_nodes[k];
      if (node < 0 || static_cast<size_t>(node) >= a_.n_nodes)
        return corrupt(at(t_) + ": a categorical split names node " + std::to_string(node) +
                       " of " + std::to_string(a_.n_nodes));
      const auto size = static_cast<int64_t>(a_.categories.size());
      if (a_.category_begin[k] < 0 || a_.category_begin[k] > size || a_.category_count[k] < 0 ||
          a_.category_count[k] > size - a_.category_begin[k])
        return corrupt(at(t_, static_cast<size_t>(node)) +
                       ": its categories lie outside those stored");
      unclaimed -= a_.category_count[k];
      if (unclaimed < 0)
        return corrupt(at(t_, static_cast<size_t>(node)) +
                       ": it shares categories with another node");
      a_.category_span[static_cast<size_t>(node)] = static_cast<int32_t>(k);
    }
    return {};
  }

  // Nodes that pruning deleted stay in the file; they are left out, and the rest keep their order.
  Status renumber() {
    a_.renumbered.assign(a_.n_nodes, -1);
    int32_t kept = 0;
    for (size_t i = 0; i < a_.n_nodes; ++i)
      if (!a_.is_deleted(i)) a_.renumbered[i] = kept++;
    if (a_.renumbered[0] != 0) return corrupt(at(t_, 0) + ": the root is marked as deleted");
    return {};
  }

  Result<int32_t> child(size_t i, int64_t number) const {
    if (number <= 0 || static_cast<size_t>(number) >= a_.n_nodes)
      return corrupt(at(t_, i) + ": child " + std::to_string(number) + " is outside 1 to " +
                     std::to_string(a_.n_nodes - 1));
    const int32_t kept = a_.renumbered[static_cast<size_t>(number)];
    if (kept < 0)
      return corrupt(at(t_, i) + ": child " + std::to_string(number) + " is marked as deleted");
    return kept;
  }

  Status add_split(size_t i) {
    Node node;
    SPINNEY_ASSIGN(node.left, child(i, a_.left[i]));
    SPINNEY_ASSIGN(node.right, child(i, a_.right[i]));
    if (a_.feature[i] < 0 || a_.feature[i] >= parts_.settings.n_features)
      return corrupt(at(t_, i) + ": feature " + std::to_string(a_.feature[i]) + " is beyond the " +
                     std::to_string(parts_.settings.n_features) + " features of the model");
    node.feature = static_cast<uint32_t>(a_.feature[i]);
    node.threshold = a_.condition[i];
    if (a_.default_left[i] == 1) node.flags |= Node::kDefaultLeft;
    if (!a_.split_type.empty() && a_.split_type[i] != 0) {
      if (a_.split_type[i] != 1)
        return corrupt(at(t_, i) + ": unknown kind of split " + std::to_string(a_.split_type[i]));
      node.flags |= Node::kCategorical;
      node.threshold = static_cast<double>(parts_.category_sets.size());
      SPINNEY_TRY(add_category_set(i));
    }
    parts_.nodes.push_back(node);
    return {};
  }

  // The file lists the categories that go right; the canonical set holds those that go left, and
  // all others go left too.
  Status add_category_set(size_t i) {
    const int32_t span = a_.category_span[i];
    CategorySet set;
    set.first_word = static_cast<uint32_t>(parts_.category_words.size());
    set.other_left = 1;
    if (span >= 0) {
      const int64_t* first = a_.categories.data() + a_.category_begin[static_cast<size_t>(span)];
      const std::span<const int64_t> categories(
          first, static_cast<size_t>(a_.category_count[static_cast<size_t>(span)]));
      int64_t last = -1;
      for (const int64_t category : categories) {
        if (category < 0 || category > std::numeric_limits<int32_t>::max())
          return corrupt(at(t_, i) + ": category " + std::to_string(category) +
                         " is outside 0 to 2147483647");
        // A value of 2^24 or more is never looked up: float32 cannot tell such categories apart.
        if (category <= kCategoryMax) last = std::max(last, category);
      }
      set.word_count = static_cast<uint32_t>((last + 32) / 32);
      if (!try_spend(set.word_count, sizeof(uint32_t)))
        return too_large(at(t_, i) +
                         ": the model's category sets take far more memory than a file of this "
                         "size explains");
      parts_.category_words.resize(set.first_word + set.word_count, ~uint32_t{0});
      for (const int64_t category : categories)
        if (category <= kCategoryMax)
          parts_.category_words[set.first_word + static_cast<size_t>(category) / 32] &=
              ~(uint32_t{1} << (category % 32));
    }
    parts_.category_sets.push_back(set);
    return {};
  }

  // In float32, as XGBoost does, where adding and taking away the base is not without effect.
  float weighted_in_place(float leaf) const {
    const auto base = static_cast<float>(parts_.base[target_]);
    return ((base + leaf) - base) * weight_;
  }

  Status add_leaf(size_t i) {
    const size_t leaf_row = parts_.leaf_values.size() / a_.leaf_width;
    if (leaf_row > std::numeric_limits<uint32_t>::max())
      return too_large(at(t_) + ": more than 4,294,967,295 leaves");
    if (a_.leaf_width == 1) {
      const float leaf = a_.condition[i];
      const float weighted = context_.weights.empty() ? leaf : leaf * weight_;
      parts_.leaf_values.push_back(context_.weights_in_place ? weighted_in_place(leaf) : weighted);
      if (context_.weights_in_place) parts_.matrix_leaf_values.push_back(weighted);
    } else {
      const int64_t row = a_.mapped_leaves ? a_.right[i] : static_cast<int64_t>(i);
      if (row < 0 || static_cast<size_t>(row) >= a_.leaf_weight.size() / a_.leaf_width)
        return corrupt(at(t_, i) + ": row " + std::to_string(row) +
                       " of \"leaf_weights\" is not "
                       "in the file");
      const float* values = a_.leaf_weight.data() + static_cast<size_t>(row) * a_.leaf_width;
      for (size_t k = 0; k < a_.leaf_width; ++k) parts_.leaf_values.push_back(values[k] * weight_);
    }
    parts_.nodes.push_back(Node::leaf(static_cast<uint32_t>(leaf_row), static_cast<int32_t>(i)));
    return {};
  }

  const TreesContext& context_;
  ForestParts& parts_;
  TreeArrays a_;
  size_t t_ = 0;
  uint32_t target_ = 0;
  float weight_ = 1;
};

// The trees in the order of their ids, which is the order that they are added in.
Result<std::vector<Field>> ordered_trees(const Field& list) {
  const std::vector<Field> listed = list.children();
  std::vector<Field> trees(listed.size());
  for (size_t i = 0; i < listed.size(); ++i) {
    int64_t id = static_cast<int64_t>(i);
    if (const Field field = listed[i].find("id")) {
      SPINNEY_ASSIGN(id, field.integer("id"));
    }
    if (id < 0 || static_cast<size_t>(id) >= trees.size())
      return corrupt("tree " + std::to_string(i) + ": id " + std::to_string(id) +
                     " is outside 0 to " + std::to_string(trees.size() - 1));
    if (trees[static_cast<size_t>(id)])
      return corrupt("two trees have the id " + std::to_string(id));
    trees[static_cast<size_t>(id)] = listed[i];
  }
  return trees;
}

Result<size_t> first_leaf_width(const std::vector<Field>& trees) {
  if (trees.empty()) return size_t{1};
  const Field size = trees[0].find("tree_param").find("size_leaf_vector");
  if (!size) return size_t{1};
  SPINNEY_ASSIGN(const int64_t width, size.integer("size_leaf_vector"));
  return static_cast<size_t>(std::clamp<int64_t>(width, 1, UINT32_MAX));
}

}  // namespace

Status read_trees(const Field& model, const TreesContext& context, ForestParts& parts) {
  SPINNEY_ASSIGN(const Field list, model.at("trees", "the gbtree model"));
  if (!list.is_array()) return corrupt("\"trees\" is not an array");
  SPINNEY_ASSIGN(const std::vector<Field> trees, ordered_trees(list));
  SPINNEY_ASSIGN(const Field info, model.at("tree_info", "the gbtree model"));
  std::vector<int64_t> targets;
  SPINNEY_TRY(info.read(targets, "tree_info"));
  if (targets.size() != trees.size())
    return corrupt("\"tree_info\" holds " + std::to_string(targets.size()) + " values for " +
                   std::to_string(trees.size()) + " trees");
  if (!context.weights.empty() && context.weights.size() != trees.size())
    return corrupt("\"weight_drop\" holds " + std::to_string(context.weights.size()) +
                   " weights for " + std::to_string(trees.size()) + " trees");
  for (size_t t = 0; t < targets.size(); ++t)
    if (targets[t] < 0 || targets[t] >= context.n_outputs)
      return corrupt(at(t) + " adds to output " + std::to_string(targets[t]) + " of " +
                     std::to_string(context.n_outputs));
  SPINNEY_ASSIGN(const TreeRange range, tree_range(model, targets, context.iterations));
  SPINNEY_ASSIGN(const size_t width, first_leaf_width(trees));
  parts.settings.leaf_width = static_cast<uint32_t>(width);
  TreeReader reader(context, parts);
  for (size_t t = range.begin; t < range.end; ++t)
    SPINNEY_TRY(reader.read(t, trees[t], static_cast<uint32_t>(targets[t])));
  // Where both ways agree, one list will do; XGBoost weighs vector leaves one way only.
  if (parts.matrix_leaf_values == parts.leaf_values) parts.matrix_leaf_values = {};
  return {};
}

}  // namespace spinney::load::xgboost
