#include "spinney/load/sklearn/members.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/attributes.h"

namespace spinney::load {
namespace {

Status read_features(const Record& record, uint32_t n_features, std::vector<Member>& members) {
  if (!optional_attribute(record, "estimators_features_")) return {};
  SPINNEY_ASSIGN(const List* const lists, list_attribute(record, "estimators_features_"));
  const std::string what = place(record, "estimators_features_");
  if (lists->size() != members.size())
    return corrupt(what + " has " + std::to_string(lists->size()) + " entries for " +
                   std::to_string(members.size()) + " estimators");
  for (size_t m = 0; m < members.size(); ++m) {
    SPINNEY_ASSIGN(const std::vector<int64_t> columns, to_integers((*lists)[m], what));
    bool all = columns.size() == n_features;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i] < 0 || columns[i] >= n_features)
        return corrupt(what + " names column " + std::to_string(columns[i]) + " of " +
                       std::to_string(n_features));
      all = all && columns[i] == static_cast<int64_t>(i);
    }
    if (!all) members[m].features.assign(columns.begin(), columns.end());
  }
  return {};
}

// Tells the ensemble's class that is a member's label; n_classes if there is none.
class ClassFinder {
 public:
  ClassFinder(const Labels* ensemble, size_t n_classes) : ensemble_(ensemble), n_(n_classes) {
    if (!ensemble) return;
    std::visit(
        [&](const auto& values) {
          auto& places = std::get<Places<std::decay_t<decltype(values[0])>>>(places_);
          for (size_t c = 0; c < values.size(); ++c)
            if (values[c] == values[c]) places.try_emplace(values[c], c);  // NaN has no place
        },
        ensemble->values);
  }

  size_t find(const Labels& own, size_t i) const {
    return std::visit([&](const auto& values) { return find_value(values[i]); }, own.values);
  }

 private:
  template <typename T>
  using Places = std::map<T, size_t>;

  template <typename T>
  size_t find_value(const T& value) const {
    if (ensemble_) {
      const auto& places = std::get<Places<T>>(places_);
      const auto found = value == value ? places.find(value) : places.end();
      return found == places.end() ? n_ : found->second;
    }
    if constexpr (std::is_same_v<T, std::string>) {
      return n_;
    } else {
      const auto number = static_cast<double>(value);
      const bool whole =
          number >= 0 && number < static_cast<double>(n_) && std::trunc(number) == number;
      return whole ? static_cast<size_t>(number) : n_;
    }
  }

  const Labels* ensemble_;
  size_t n_;
  std::tuple<Places<int64_t>, Places<double>, Places<std::string>> places_;
};

}  // namespace

Result<std::vector<Member>> read_members(const Record& record, uint32_t n_features,
                                         DescribeContext& context) {
  SPINNEY_ASSIGN(const List* const estimators, list_attribute(record, "estimators_"));
  if (estimators->empty()) return corrupt(place(record, "estimators_") + " is empty");
  std::vector<Member> members;
  for (size_t m = 0; m < estimators->size(); ++m) {
    auto parts = describe_estimator((*estimators)[m], context);
    auto inner = parts.ok() ? make_description(std::move(parts).value())
                            : Result<Description>(parts.error());
    if (!inner.ok())
      return Error{inner.error().code, record.full_name() + ", member " + std::to_string(m) + ": " +
                                           inner.error().message};
    Member member;
    member.model = std::make_shared<const Description>(std::move(inner).value());
    members.push_back(std::move(member));
  }
  SPINNEY_TRY(read_features(record, n_features, members));
  return members;
}

Status place_classes(std::vector<Member>& members, const Labels* ensemble, size_t n_classes) {
  const ClassFinder finder(ensemble, n_classes);
  for (size_t m = 0; m < members.size(); ++m) {
    const std::vector<Labels>& labels = members[m].model->output.labels;
    if (labels.size() != 1)
      return unsupported("ensemble member " + std::to_string(m) + " (" +
                         members[m].model->source.kind + ") does not predict one set of classes");
    bool same = labels[0].size() == n_classes;
    std::vector<uint32_t> classes;
    for (size_t i = 0; i < labels[0].size(); ++i) {
      const size_t c = finder.find(labels[0], i);
      if (c >= n_classes)
        return corrupt("ensemble member " + std::to_string(m) + ": its class " + std::to_string(i) +
                       " is none of the ensemble's " + std::to_string(n_classes));
      classes.push_back(static_cast<uint32_t>(c));
      same = same && c == i;
    }
    if (!same) members[m].classes = std::move(classes);
  }
  return {};
}

bool are_trees(std::span<const Member> members) {
  return std::all_of(members.begin(), members.end(), [](const Member& member) {
    const auto* forest = std::get_if<Forest>(&member.model->scorer);
    const Source& source = member.model->source;
    return forest && forest->n_trees() == 1 && source.library == "sklearn" &&
           (source.kind.starts_with("DecisionTree") || source.kind.starts_with("ExtraTree")) &&
           !source.kind.starts_with("ExtraTrees");
  });
}

Result<Forest> join_trees(std::span<const Member> members, ForestSettings settings,
                          std::vector<double> tree_weights, const LeafWriter& write_leaf) {
  ForestParts parts;
  parts.settings = settings;
  parts.settings.input = NumberType::kFloat32;
  parts.settings.comparison = Comparison::kLessEqual;
  parts.settings.accumulator = NumberType::kFloat64;
  parts.settings.leaf_width = settings.n_outputs;
  parts.base.assign(settings.n_outputs, 0.0);
  parts.tree_weights = std::move(tree_weights);
  for (const Member& member : members) {
    const Forest& tree = std::get<Forest>(member.model->scorer);
    const size_t seen = member.features.empty() ? settings.n_features : member.features.size();
    if (tree.settings().n_features != seen)
      return corrupt("a tree of the ensemble reads " + std::to_string(tree.settings().n_features) +
                     " columns and is given " + std::to_string(seen));
    const size_t own_width = tree.settings().leaf_width;
    // A leaf of a few classes becomes one of all of the ensemble's.
    SPINNEY_TRY(
        spend("a tree of the ensemble", tree.n_nodes(), settings.n_outputs * sizeof(double) / 2));
    for (Node node : tree.nodes) {
      if (node.is_leaf()) {
        const auto own = tree.leaf_values.span().subspan(node.leaf_row() * own_width, own_width);
        node.feature = static_cast<uint32_t>(parts.leaf_values.size() / settings.n_outputs);
        write_leaf(member, own, parts.leaf_values);
      } else if (!member.features.empty()) {
        node.feature = member.features[node.feature];
      }
      parts.nodes.push_back(node);
    }
    parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
    parts.tree_target.push_back(0);
  }
  return make_forest(std::move(parts));
}

NumberType common_type(std::span<const Member> members) {
  const bool all = std::all_of(members.begin(), members.end(), [](const Member& member) {
    return member.model->output.value_type == NumberType::kFloat32;
  });
  return all ? NumberType::kFloat32 : NumberType::kFloat64;
}

void inherit_refusals(std::span<const Member> members, DescriptionParts& description) {
  for (const Member& member : members) {
    description.refuses_infinity = description.refuses_infinity || member.model->refuses_infinity;
    description.refuses_missing = description.refuses_missing || member.model->refuses_missing;
  }
}

}  // namespace spinney::load
