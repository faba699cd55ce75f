#include "spinney/load/branches/branches.h"

#include <cmath>
#include <limits>
#include <utility>

#include "spinney/load/file/budget.h"

namespace spinney::load {
namespace {

constexpr double kNever = std::numeric_limits<double>::quiet_NaN();  // nothing goes left of it

// The largest number of the type below this one; NaN where there is none.
double below(double threshold, NumberType type) {
  if (!(threshold > -std::numeric_limits<double>::infinity())) return kNever;
  if (type == NumberType::kFloat64)
    return std::nextafter(threshold, -std::numeric_limits<double>::infinity());
  return static_cast<double>(
      std::nextafter(static_cast<float>(threshold), -std::numeric_limits<float>::infinity()));
}

// Where what does and does not go left of a threshold goes to, as branches.
struct Split {
  double threshold = 0;
  uint32_t left = 0, right = 0;
  bool missing_left = false;
};

Split split_of(const Branch& branch, const ForestSettings& settings) {
  const auto straight = [&](double t) {
    return Split{t, branch.yes, branch.no, branch.missing_yes};
  };
  const auto exchanged = [&](double t) {
    return Split{t, branch.no, branch.yes, !branch.missing_yes};
  };
  const bool less = settings.comparison == Comparison::kLess;
  const double t = branch.threshold;
  if (branch.test == Test::kIn || std::isnan(t)) return straight(t);
  switch (branch.test) {
    case Test::kLess:
      return straight(less ? t : below(t, settings.input));
    case Test::kGreaterEqual:
      return exchanged(less ? t : below(t, settings.input));
    case Test::kGreater:
      return exchanged(t);
    default:
      return straight(t);
  }
}

class Grower {
 public:
  Grower(std::span<const Branch> branches, const std::string& name, ForestParts& parts)
      : branches_(branches), name_(name), parts_(parts), begin_(parts.nodes.size()) {}

  Status grow() {
    SPINNEY_TRY(refuse_cycles());
    std::vector<Task> tasks{{0, kRoot, false}};
    while (!tasks.empty()) {
      const Task task = tasks.back();
      tasks.pop_back();
      SPINNEY_TRY(spend(name_, 1, sizeof(Node), 1));
      const auto place = static_cast<int32_t>(parts_.nodes.size() - begin_);
      if (parts_.nodes.size() - begin_ > size_t{1} << 30)
        return too_large(name_ + " has more than 1,073,741,824 nodes");
      if (task.parent != kRoot) {
        Node& parent = parts_.nodes[begin_ + task.parent];
        (task.is_left ? parent.left : parent.right) = place;
      }
      if (branches_[task.branch].test == Test::kLeaf) {
        SPINNEY_TRY(put_leaf(task.branch));
      } else {
        put_split(task.branch, tasks);
      }
    }
    parts_.tree_begin.push_back(static_cast<uint32_t>(parts_.nodes.size()));
    return {};
  }

 private:
  static constexpr uint32_t kRoot = UINT32_MAX;
  struct Task {
    uint32_t branch;
    uint32_t parent;
    bool is_left;
  };

  Error at(uint32_t branch, const std::string& what) const {
    return corrupt(name_ + ", node " + std::to_string(branch) + ": " + what);
  }

  // Depth first: a branch that is met again on the way to itself lies on a cycle.
  Status refuse_cycles() const {
    if (branches_.empty()) return corrupt(name_ + " has no nodes");
    enum : uint8_t { kNew, kOnTheWay, kDone };
    std::vector<uint8_t> state(branches_.size(), kNew);
    std::vector<std::pair<uint32_t, uint8_t>> way{{0, 0}};
    state[0] = kOnTheWay;
    while (!way.empty()) {
      auto& [branch, seen] = way.back();
      if (branches_[branch].test == Test::kLeaf || seen == 2) {
        state[branch] = kDone;
        way.pop_back();
        continue;
      }
      const uint32_t child = seen++ == 0 ? branches_[branch].yes : branches_[branch].no;
      if (child >= branches_.size())
        return at(branch, "child " + std::to_string(child) + " is none of the " +
                              std::to_string(branches_.size()) + " nodes");
      if (state[child] == kOnTheWay) return at(child, "it lies on a cycle");
      if (state[child] == kDone) continue;
      state[child] = kOnTheWay;
      way.emplace_back(child, 0);
    }
    return {};
  }

  Status put_leaf(uint32_t branch) {
    const std::vector<double>& values = branches_[branch].values;
    const uint32_t width = parts_.settings.leaf_width;
    if (values.size() != width)
      return at(branch, "the leaf has " + std::to_string(values.size()) + " values instead of " +
                            std::to_string(width));
    SPINNEY_TRY(spend(name_, width, sizeof(double)));
    parts_.nodes.push_back(Node::leaf(static_cast<uint32_t>(parts_.leaf_values.size() / width),
                                      static_cast<int32_t>(branch)));
    parts_.leaf_values.insert(parts_.leaf_values.end(), values.begin(), values.end());
    return {};
  }

  void put(uint32_t feature, const Split& split, uint8_t flags) {
    Node node;
    node.feature = feature;
    node.threshold = split.threshold;
    node.flags = static_cast<uint8_t>(flags | (split.missing_left ? Node::kDefaultLeft : 0));
    parts_.nodes.push_back(node);
  }

  void put_split(uint32_t index, std::vector<Task>& tasks) {
    const Branch& branch = branches_[index];
    const auto place = static_cast<uint32_t>(parts_.nodes.size() - begin_);
    if ((branch.test == Test::kEqual || branch.test == Test::kOther) &&
        !std::isnan(branch.threshold)) {
      put_equality(branch, place, tasks);
      return;
    }
    Split split = split_of(branch, parts_.settings);
    if (branch.test == Test::kOther) std::swap(split.left, split.right);  // unlike NaN are all
    if (branch.test == Test::kOther) split.missing_left = !split.missing_left;
    put(branch.feature, split, branch.test == Test::kIn ? Node::kCategorical : 0);
    tasks.push_back({split.right, place, false});
    tasks.push_back({split.left, place, true});
  }

  // Two splits: what is at most the threshold, and of that what is below it. `unlike` is put twice.
  // Forests that test for equality compare by <=, as comparison_for() has it.
  void put_equality(const Branch& branch, uint32_t place, std::vector<Task>& tasks) {
    const bool equal = branch.test == Test::kEqual;
    const uint32_t like = equal ? branch.yes : branch.no, unlike = equal ? branch.no : branch.yes;
    const bool missing_like = equal == branch.missing_yes;
    const double t = branch.threshold;
    put(branch.feature, {t, 0, 0, missing_like}, 0);
    parts_.nodes[begin_ + place].left = static_cast<int32_t>(place + 1);
    put(branch.feature, {below(t, parts_.settings.input), 0, 0, false}, 0);
    tasks.push_back({unlike, place, false});
    tasks.push_back({like, place + 1, false});
    tasks.push_back({unlike, place + 1, true});
  }

  std::span<const Branch> branches_;
  const std::string& name_;
  ForestParts& parts_;
  size_t begin_;
};

}  // namespace

Comparison comparison_for(std::span<const std::vector<Branch>> trees) {
  size_t strict = 0, inclusive = 0;
  for (const std::vector<Branch>& tree : trees)
    for (const Branch& branch : tree) {
      const bool less = branch.test == Test::kLess || branch.test == Test::kGreaterEqual;
      strict += less;
      inclusive += !less && branch.test != Test::kLeaf && branch.test != Test::kIn;
    }
  return strict > 0 && inclusive == 0 ? Comparison::kLess : Comparison::kLessEqual;
}

Status append_branches(std::span<const Branch> branches, const std::string& name,
                       ForestParts& parts) {
  return Grower(branches, name, parts).grow();
}

}  // namespace spinney::load
