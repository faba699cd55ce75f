#include "spinney/load/treelite/treelite.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <string_view>

#include "spinney/load/branches/branches.h"
#include "spinney/load/file/budget.h"
#include "spinney/load/treelite/checkpoint.h"

namespace spinney::load {
namespace treelite {
namespace {

constexpr double kFloat32Categories = 16777216;  // larger values of float32 match no category

struct Width {
  uint32_t targets = 1, classes = 1;  // classes: the most that a target has
  uint32_t total() const { return targets * classes; }
};

Result<Width> width_of(const Checkpoint& from) {
  constexpr int32_t kMost = 1 << 24;
  if (from.n_features < 0 || from.n_targets < 1 || from.n_targets > kMost ||
      from.n_classes.size() != static_cast<size_t>(from.n_targets))
    return corrupt("the checkpoint has " + std::to_string(from.n_features) + " features, " +
                   std::to_string(from.n_targets) + " targets and numbers of classes for " +
                   std::to_string(from.n_classes.size()));
  int32_t most = 1;
  for (const int32_t n : from.n_classes) {
    if (n < 1 || n > kMost / from.n_targets)
      return corrupt("a target has " + std::to_string(n) + " classes");
    most = std::max(most, n);
  }
  const Width width{static_cast<uint32_t>(from.n_targets), static_cast<uint32_t>(most)};
  if (from.base_scores.size() != width.total())
    return corrupt("the checkpoint has " + std::to_string(from.base_scores.size()) +
                   " base scores for " + std::to_string(width.total()) + " outputs");
  if (from.target_id.size() != from.trees.size() || from.class_id.size() != from.trees.size())
    return corrupt("the checkpoint says the targets of " + std::to_string(from.target_id.size()) +
                   " trees and has " + std::to_string(from.trees.size()));
  const auto fits = [](int32_t shape, uint32_t all) {
    return shape == 1 || static_cast<uint32_t>(shape) == all;
  };
  if (!fits(from.leaf_shape[0], width.targets) || !fits(from.leaf_shape[1], width.classes))
    return corrupt("leaves have the shape (" + std::to_string(from.leaf_shape[0]) + ", " +
                   std::to_string(from.leaf_shape[1]) + ") for " + std::to_string(width.targets) +
                   " targets of up to " + std::to_string(width.classes) + " classes");
  return width;
}

class Builder {
 public:
  Builder(const Checkpoint& from, Width width) : from_(from), width_(width) {
    ForestSettings& s = parts_.settings;
    s.input = s.accumulator = from.type;
    s.n_features = static_cast<uint32_t>(from.n_features);
    s.n_outputs = width.total();
    s.leaf_width = from.leaf_shape == std::array<int32_t, 2>{1, 1} ? 1 : s.n_outputs;
    s.absent_is_missing = true;
    parts_.base.assign(s.n_outputs, 0);
  }

  Result<Forest> build() {
    std::vector<std::vector<Branch>> trees(from_.trees.size());
    for (size_t t = 0; t < trees.size(); ++t) SPINNEY_TRY(read_tree(t, trees[t]));
    parts_.settings.comparison = comparison_for(trees);
    for (size_t t = 0; t < trees.size(); ++t) {
      SPINNEY_TRY(append_branches(trees[t], "tree " + std::to_string(t), parts_));
      parts_.tree_target.push_back(parts_.settings.leaf_width == 1 ? first_output(t) : 0);
    }
    SPINNEY_TRY(set_divisor());
    set_base();
    return make_forest(std::move(parts_));
  }

 private:
  Error at(size_t tree, size_t node, const std::string& what) const {
    return corrupt("tree " + std::to_string(tree) + ", node " + std::to_string(node) + ": " + what);
  }
  uint32_t first_output(size_t t) const {
    const auto target = static_cast<uint32_t>(std::max(from_.target_id[t], 0));
    return target * width_.classes + static_cast<uint32_t>(std::max(from_.class_id[t], 0));
  }
  bool used(uint32_t target, uint32_t c) const {
    return c < static_cast<uint32_t>(from_.n_classes[target]);
  }
  // Calls visit(output, place in the leaf's vector) for each output that the tree adds to.
  template <typename Visit>
  void for_each_output(size_t t, Visit&& visit) const {
    const int32_t target_id = from_.target_id[t], class_id = from_.class_id[t];
    for (uint32_t target = 0; target < width_.targets; ++target) {
      if (target_id >= 0 && static_cast<uint32_t>(target_id) != target) continue;
      for (uint32_t c = 0; c < width_.classes; ++c) {
        if (class_id >= 0 ? static_cast<uint32_t>(class_id) != c : !used(target, c)) continue;
        const uint32_t row = target_id < 0 ? target : 0;
        const uint32_t columns = static_cast<uint32_t>(from_.leaf_shape[1]);
        visit(target * width_.classes + c, row * columns + (class_id < 0 ? c : 0));
      }
    }
  }

  Status check_ids(size_t t) const {
    const int32_t target = from_.target_id[t], c = from_.class_id[t];
    const auto one = [](int32_t id, int32_t shape, uint32_t all) {
      if (id == -1) return static_cast<uint32_t>(shape) == all;
      return id >= 0 && static_cast<uint32_t>(id) < all && shape == 1;
    };
    if (one(target, from_.leaf_shape[0], width_.targets) &&
        one(c, from_.leaf_shape[1], width_.classes))
      return {};
    return corrupt("tree " + std::to_string(t) + " is of target " + std::to_string(target) +
                   " and class " + std::to_string(c) + ", which its leaves do not fit");
  }

  Status read_tree(size_t t, std::vector<Branch>& branches) {
    SPINNEY_TRY(check_ids(t));
    const Tree& tree = from_.trees[t];
    SPINNEY_TRY(spend("tree " + std::to_string(t), tree.size(), sizeof(Branch)));
    branches.resize(tree.size());
    for (size_t i = 0; i < tree.size(); ++i) {
      if (tree.left[i] == -1) {
        SPINNEY_TRY(read_leaf(t, i, branches[i]));
      } else {
        SPINNEY_TRY(read_split(t, i, branches[i]));
      }
    }
    return {};
  }

  Status read_leaf(size_t t, size_t i, Branch& leaf) const {
    const Tree& tree = from_.trees[t];
    const uint32_t n = parts_.settings.leaf_width;
    SPINNEY_TRY(spend("tree " + std::to_string(t), n, sizeof(double)));
    const size_t held = tree.vector_end[i] - tree.vector_begin[i];
    const auto wanted =
        static_cast<size_t>(from_.leaf_shape[0]) * static_cast<size_t>(from_.leaf_shape[1]);
    if (held != wanted && (held != 0 || wanted != 1))
      return at(
          t, i,
          "the leaf has " + std::to_string(held) + " values instead of " + std::to_string(wanted));
    leaf.values.assign(n, 0);
    if (n == 1) {
      leaf.values[0] = held ? tree.leaf_vector[tree.vector_begin[i]] : tree.leaf_value[i];
      return {};
    }
    for_each_output(t, [&](uint32_t output, uint32_t place) {
      leaf.values[output] = tree.leaf_vector[tree.vector_begin[i] + place];
    });
    return {};
  }

  static std::optional<Test> test_of(int8_t comparison) {
    switch (static_cast<Operator>(comparison)) {
      case Operator::kEqual:
        return Test::kEqual;
      case Operator::kLess:
        return Test::kLess;
      case Operator::kLessEqual:
        return Test::kLessEqual;
      case Operator::kGreater:
        return Test::kGreater;
      case Operator::kGreaterEqual:
        return Test::kGreaterEqual;
      default:
        return std::nullopt;
    }
  }

  Status read_split(size_t t, size_t i, Branch& branch) {
    const Tree& tree = from_.trees[t];
    if (tree.left[i] < 0 || tree.right[i] < 0)
      return at(t, i, "a child is " + std::to_string(std::min(tree.left[i], tree.right[i])));
    if (tree.feature[i] < 0 || tree.feature[i] >= from_.n_features)
      return at(t, i,
                "feature " + std::to_string(tree.feature[i]) + " is beyond the " +
                    std::to_string(from_.n_features) + " features of the model");
    branch.feature = static_cast<uint32_t>(tree.feature[i]);
    branch.yes = static_cast<uint32_t>(tree.left[i]);
    branch.no = static_cast<uint32_t>(tree.right[i]);
    branch.missing_yes = tree.default_left[i] != 0;
    if (tree.type[i] == static_cast<int8_t>(NodeType::kCategorical)) {
      branch.test = Test::kIn;
      branch.threshold = static_cast<double>(parts_.category_sets.size());
      return append_set(tree, i);
    }
    const std::optional<Test> test = test_of(tree.comparison[i]);
    if (!test || tree.type[i] != static_cast<int8_t>(NodeType::kNumerical))
      return at(t, i,
                "it is of type " + std::to_string(tree.type[i]) + " and compares by operator " +
                    std::to_string(tree.comparison[i]) + ", of which one is unknown");
    branch.test = *test;
    branch.threshold = tree.threshold[i];
    return {};
  }

  // Categories in the list go left, or right: then all others go left.
  Status append_set(const Tree& tree, size_t i) {
    const double most =
        from_.type == NumberType::kFloat32 ? kFloat32Categories : static_cast<double>(UINT32_MAX);
    uint32_t last = 0;
    bool any = false;
    for (uint64_t k = tree.list_begin[i]; k < tree.list_end[i]; ++k) {
      if (static_cast<double>(tree.categories[k]) > most) continue;
      last = std::max(last, tree.categories[k]);
      any = true;
    }
    CategorySet set;
    set.first_word = static_cast<uint32_t>(parts_.category_words.size());
    set.word_count = any ? last / 32 + 1 : 0;
    set.other_left = tree.list_right[i] != 0;
    SPINNEY_TRY(spend("a list of categories", set.word_count + 4, sizeof(uint32_t)));
    if (parts_.category_words.size() + set.word_count > UINT32_MAX)
      return too_large("the categories take more than 4,294,967,295 words");
    const uint32_t rest = set.other_left ? UINT32_MAX : 0;
    parts_.category_words.resize(parts_.category_words.size() + set.word_count, rest);
    uint32_t* words = parts_.category_words.data() + set.first_word;
    for (uint64_t k = tree.list_begin[i]; k < tree.list_end[i]; ++k) {
      const uint32_t category = tree.categories[k];
      if (static_cast<double>(category) > most) continue;
      const uint32_t bit = uint32_t{1} << (category % 32);
      words[category / 32] =
          set.other_left ? words[category / 32] & ~bit : words[category / 32] | bit;
    }
    parts_.category_sets.push_back(set);
    return {};
  }

  // Trees that add to each output; the interpreter divides each by its own number.
  Status set_divisor() {
    if (!from_.average) return {};
    SPINNEY_TRY(spend("the outputs", width_.total(), sizeof(uint64_t)));
    std::vector<uint64_t> counts(width_.total());
    for (size_t t = 0; t < from_.trees.size(); ++t)
      for_each_output(t, [&](uint32_t output, uint32_t) { ++counts[output]; });
    uint64_t count = 0;
    for (uint32_t target = 0; target < width_.targets; ++target)
      for (uint32_t c = 0; c < width_.classes; ++c) {
        if (!used(target, c)) continue;
        const uint64_t own = counts[target * width_.classes + c];
        if (own == 0 || (count != 0 && own != count))
          return unsupported("the average is over " + std::to_string(own) +
                             " trees for one output and over " + std::to_string(count) +
                             " for another; only equal numbers above zero are read");
        count = own;
      }
    parts_.settings.divisor = static_cast<double>(count);
    return {};
  }

  void set_base() {
    std::vector<double> base(width_.total(), 0);
    bool any = false;
    for (uint32_t target = 0; target < width_.targets; ++target)
      for (uint32_t c = 0; c < width_.classes; ++c) {
        const uint32_t output = target * width_.classes + c;
        if (used(target, c)) base[output] = from_.base_scores[output];
        any = any || base[output] != 0;
      }
    if (any) parts_.shift = std::move(base);
  }

  const Checkpoint& from_;
  Width width_;
  ForestParts parts_;
};

struct Postprocessor {
  std::string_view name;
  LinkKind link;
  bool of_rows;  // of a target's classes together; else of a single one
};
constexpr std::array kPostprocessors = {
    Postprocessor{"identity", LinkKind::kIdentity, true},
    Postprocessor{"identity_multiclass", LinkKind::kIdentity, true},
    Postprocessor{"signed_square", LinkKind::kTreeliteSignedSquare, false},
    Postprocessor{"hinge", LinkKind::kXgbHinge, false},
    Postprocessor{"sigmoid", LinkKind::kTreeliteSigmoid, false},
    Postprocessor{"exponential", LinkKind::kTreeliteExp, false},
    Postprocessor{"exponential_standard_ratio", LinkKind::kTreeliteExp2, false},
    Postprocessor{"logarithm_one_plus_exp", LinkKind::kTreeliteLog1pExp, false},
    Postprocessor{"softmax", LinkKind::kTreeliteSoftmax, true},
    Postprocessor{"multiclass_ova", LinkKind::kTreeliteSigmoid, true},
};

Status set_output(const Checkpoint& from, Width width, Output& output) {
  constexpr std::array kTasks = {Task::kBinary, Task::kRegression, Task::kMulticlass,
                                 Task::kRanking, Task::kOutlier};
  if (static_cast<size_t>(from.task) >= kTasks.size())
    return corrupt("the task is of the unknown type " +
                   std::to_string(static_cast<unsigned>(from.task)));
  output.task = kTasks[static_cast<size_t>(from.task)];
  output.value_type = from.type;
  output.objective = from.postprocessor.substr(0, 100);
  const auto found =
      std::find_if(kPostprocessors.begin(), kPostprocessors.end(),
                   [&](const Postprocessor& each) { return each.name == from.postprocessor; });
  if (found == kPostprocessors.end())
    return unsupported("the post-processor \"" + output.objective + "\" is not known");
  const bool single = width.classes == 1;
  if (found->link != LinkKind::kIdentity && (found->of_rows ? width.targets != 1 : !single))
    return unsupported("the post-processor " + output.objective + " is applied to " +
                       std::to_string(width.targets) + " targets of up to " +
                       std::to_string(width.classes) + " classes, which is not read; " +
                       (found->of_rows ? "one target is" : "one class a target is"));
  output.link.kind = found->link;
  if (found->link == LinkKind::kTreeliteSigmoid)
    output.link.parameter = static_cast<double>(from.sigmoid_alpha);
  if (found->link == LinkKind::kTreeliteExp2)
    output.link.parameter = static_cast<double>(from.ratio_c);
  return {};
}

}  // namespace
}  // namespace treelite

bool is_treelite(std::span<const char> bytes) {
  int32_t version[3];
  if (bytes.size() < sizeof version + 2) return false;
  std::memcpy(version, bytes.data(), sizeof version);
  const auto type = [&](size_t place) {
    return static_cast<unsigned char>(bytes[sizeof version + place]) <= 3;
  };
  return version[0] >= 3 && version[0] <= 5 && version[1] >= 0 && version[1] < 1000 &&
         version[2] >= 0 && version[2] < 1000 && type(0) && type(1);
}

Result<Description> read_treelite(std::span<const char> bytes, const Choice& choice) {
  SPINNEY_TRY(refuse_choice(choice, "a checkpoint of Treelite"));
  SPINNEY_TRY(refuse_member(choice, "a checkpoint of Treelite"));
  const BudgetOfFile budget(bytes.size());
  SPINNEY_ASSIGN(const treelite::Checkpoint from, treelite::read_checkpoint(bytes));
  SPINNEY_ASSIGN(const treelite::Width width, treelite::width_of(from));
  // Every output costs its columns of base scores, which the file has.
  DescriptionParts parts;
  SPINNEY_TRY(treelite::set_output(from, width, parts.output));
  SPINNEY_ASSIGN(parts.scorer, treelite::Builder(from, width).build());
  parts.source = {"treelite",
                  std::to_string(from.major) + "." + std::to_string(from.minor) + "." +
                      std::to_string(from.patch),
                  "checkpoint", "treelite.Model"};
  return make_description(std::move(parts));
}

}  // namespace spinney::load
