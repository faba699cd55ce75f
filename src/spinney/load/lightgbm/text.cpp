// Versions v2 to v4 of the format (LightGBM 2.x to 4.x): a header, one section a tree, then
// importances, parameters and the categories of pandas columns.
#include "spinney/load/lightgbm/text.h"

#include <algorithm>
#include <array>

#include "spinney/load/file/budget.h"
#include "spinney/load/lightgbm/categories.h"
#include "spinney/load/lightgbm/fields.h"
#include "spinney/load/lightgbm/lightgbm.h"
#include "spinney/load/lightgbm/objective.h"
#include "spinney/load/lightgbm/tree.h"

namespace spinney::load {
namespace lightgbm {
namespace {

// A model without trees may declare this many outputs at most; with trees, one each.
constexpr int64_t kEmptyOutputsMax = 100000;

struct Header {
  std::string_view version, num_class, num_tree_per_iteration, max_feature_idx, objective,
      average_output, feature_names, tree_sizes;
};

Status read_header(Lines& lines, Header& header) {
  using Slot = std::pair<std::string_view, std::string_view Header::*>;
  constexpr std::array<Slot, 8> kSlots = {
      {{"version", &Header::version},
       {"num_class", &Header::num_class},
       {"num_tree_per_iteration", &Header::num_tree_per_iteration},
       {"max_feature_idx", &Header::max_feature_idx},
       {"objective", &Header::objective},
       {"average_output", &Header::average_output},
       {"feature_names", &Header::feature_names},
       {"tree_sizes", &Header::tree_sizes}}};
  while (!lines.done()) {
    const std::string_view line = lines.peek();
    if (line.starts_with("Tree=") || line == "end of trees") break;
    lines.next();
    const size_t equals = line.find('=');
    const std::string_view key = line.substr(0, equals);
    for (const auto& [name, slot] : kSlots) {
      if (name != key) continue;
      std::string_view& value = header.*slot;
      if (value.data()) return corrupt("header: " + std::string(name) + " stands there twice");
      value = line.substr(std::min(key.size() + 1, line.size()));
    }
  }
  for (const auto& [name, slot] : kSlots)
    if (!(header.*slot).data() && name != "objective" && name != "average_output" &&
        name != "num_tree_per_iteration" && name != "tree_sizes")
      return corrupt("header: " + std::string(name) + " is missing");
  return {};
}

Result<size_t> count_outputs(const Header& header) {
  SPINNEY_ASSIGN(const int64_t classes,
                 parse_integer({"header", "num_class"}, header.num_class, 1, INT32_MAX));
  if (!header.num_tree_per_iteration.data()) return static_cast<size_t>(classes);
  SPINNEY_ASSIGN(const int64_t trees, parse_integer({"header", "num_tree_per_iteration"},
                                                    header.num_tree_per_iteration, 1, INT32_MAX));
  if (trees != classes)
    return corrupt("header: num_tree_per_iteration=" + std::to_string(trees) +
                   " contradicts num_class=" + std::to_string(classes));
  return static_cast<size_t>(classes);
}

Status read_trees(Lines& lines, ForestParts& parts) {
  TreeReader reader(parts);
  for (size_t tree = 0;; ++tree) {
    while (!lines.done() && lines.peek().empty()) lines.next();
    if (lines.done())
      return corrupt("the file ends after tree " + std::to_string(tree) +
                     " without \"end of trees\"; it was cut short");
    const std::string_view line = lines.next();
    if (line == "end of trees") return {};
    if (line != "Tree=" + std::to_string(tree))
      return corrupt("tree " + std::to_string(tree) + ": expected the line \"Tree=" +
                     std::to_string(tree) + "\", found " + quoted(line));
    SPINNEY_TRY(reader.read(lines, tree));
  }
}

// Trees of an iteration add to outputs 0, 1, … in turn.
Status finish_forest(ForestParts& parts, size_t n_outputs) {
  const size_t n_trees = parts.tree_begin.size() - 1;
  if (n_trees == 0 ? n_outputs > kEmptyOutputsMax : n_trees % n_outputs != 0)
    return corrupt("the file holds " + std::to_string(n_trees) +
                   " trees, which is no whole number of iterations of " +
                   std::to_string(n_outputs));
  parts.settings.n_outputs = static_cast<uint32_t>(n_outputs);
  parts.base.assign(n_outputs, 0);
  parts.tree_target.resize(n_trees);
  for (size_t t = 0; t < n_trees; ++t) parts.tree_target[t] = static_cast<uint32_t>(t % n_outputs);
  return {};
}

Status check_tree_sizes(const Header& header, size_t n_trees) {
  if (!header.tree_sizes.data()) return {};
  const size_t declared = split_words(header.tree_sizes).size();
  if (declared == n_trees) return {};
  return corrupt("header: tree_sizes lists " + std::to_string(declared) +
                 " trees, the file holds " + std::to_string(n_trees));
}

// Iterations begin to end - 1, and what chose them.
struct Iterations {
  size_t begin = 0, end = 0;
  std::string rule;
};

// As LightGBM's predict() has it: numbers beyond what there is are cut, not refused.
Iterations choose_iterations(size_t count, int64_t best, const Choice& choice) {
  const int64_t start = std::max<int64_t>(choice.start_iteration.value_or(0), 0);
  int64_t wanted = choice.num_iteration.value_or(start == 0 ? best : -1);
  Iterations chosen;
  if (choice.num_iteration) chosen.rule = "num_iteration=" + std::to_string(wanted);
  if (choice.start_iteration)
    chosen.rule += (chosen.rule.empty() ? "" : ", ") + std::string("start_iteration=") +
                   std::to_string(*choice.start_iteration);
  if (!choice.num_iteration && wanted > 0)
    chosen.rule +=
        (chosen.rule.empty() ? "" : ", ") + std::string("best_iteration=") + std::to_string(wanted);
  chosen.begin = std::min(static_cast<size_t>(start), count);
  chosen.end = count;
  if (wanted > 0 && static_cast<uint64_t>(wanted) < count - chosen.begin)
    chosen.end = chosen.begin + static_cast<size_t>(wanted);
  return chosen;
}

// Behind the last leaf row of the trees whose nodes end at n_nodes, which were added tree by tree.
size_t leaf_rows_before(const ForestParts& parts, size_t n_nodes) {
  for (size_t i = n_nodes; i-- > 0;)
    if (parts.nodes[i].is_leaf()) return size_t{parts.nodes[i].leaf_row()} + 1;
  return 0;
}

// Leaves out all trees but first to behind - 1.
void keep_trees(ForestParts& parts, size_t first, size_t behind) {
  const size_t n_nodes = parts.tree_begin[behind];
  const size_t n_rows = leaf_rows_before(parts, n_nodes);
  const uint32_t node = parts.tree_begin[first];
  const auto row = static_cast<uint32_t>(leaf_rows_before(parts, node));
  const auto cut = [](auto& all, size_t begin, size_t end) {
    all.resize(end);
    all.erase(all.begin(), all.begin() + static_cast<ptrdiff_t>(begin));
  };
  cut(parts.tree_begin, first, behind + 1);
  for (uint32_t& begin : parts.tree_begin) begin -= node;
  cut(parts.tree_target, first, behind);
  cut(parts.nodes, node, n_nodes);
  for (Node& one : parts.nodes)
    if (one.is_leaf()) one.feature -= row;
  cut(parts.leaf_values, row, n_rows);
  if (!parts.linear_leaves.empty()) cut(parts.linear_leaves, row, n_rows);
}

Status read_tail(Lines& lines, DescriptionParts& model) {
  constexpr std::string_view kCategories = "pandas_categorical:";
  while (!lines.done()) {
    const std::string_view line = lines.next();
    if (!line.starts_with(kCategories)) continue;
    SPINNEY_ASSIGN(model.categories, parse_categories(line.substr(kCategories.size())));
    model.categories_by_position = true;
  }
  return {};
}

}  // namespace

Result<DescriptionParts> read_text(std::string_view text, int64_t best_iteration,
                                   const Choice& choice) {
  SPINNEY_TRY(check_lightgbm_choice(choice));
  Lines lines(text);
  if (lines.next() != "tree")
    return corrupt("not a LightGBM model: the first line is not \"tree\"");
  Header header;
  SPINNEY_TRY(read_header(lines, header));
  SPINNEY_ASSIGN(const size_t n_outputs, count_outputs(header));

  DescriptionParts model;
  if (header.version != "v4" && header.version != "v3" && header.version != "v2")
    model.warnings.push_back("the file says version=" + quoted(header.version) +
                             "; versions v2 to v4 are known");
  model.source = {"lightgbm", std::string(header.version), "text", "Booster"};
  model.feature_names = split_words(header.feature_names);
  SPINNEY_ASSIGN(
      const int64_t last_feature,
      parse_integer({"header", "max_feature_idx"}, header.max_feature_idx, 0, INT32_MAX - 1));
  if (model.feature_names.size() != static_cast<size_t>(last_feature) + 1)
    return corrupt("header: feature_names holds " + std::to_string(model.feature_names.size()) +
                   " names, max_feature_idx=" + std::to_string(last_feature) + " needs " +
                   std::to_string(last_feature + 1));
  ForestParts parts;
  parts.settings.input = NumberType::kFloat64;
  parts.settings.comparison = Comparison::kLessEqual;
  parts.settings.accumulator = NumberType::kFloat64;
  parts.settings.n_features = static_cast<uint32_t>(model.feature_names.size());
  SPINNEY_TRY(read_trees(lines, parts));
  SPINNEY_TRY(finish_forest(parts, n_outputs));
  SPINNEY_TRY(check_tree_sizes(header, parts.tree_target.size()));
  const size_t n_trees = parts.tree_target.size();
  const Iterations chosen = choose_iterations(n_trees / n_outputs, best_iteration, choice);
  model.trees = {n_trees, chosen.rule, n_outputs, chosen.begin * n_outputs};
  if (chosen.end - chosen.begin < n_trees / n_outputs)
    keep_trees(parts, chosen.begin * n_outputs, chosen.end * n_outputs);
  SPINNEY_ASSIGN(model.output, parse_objective(header.objective, n_outputs));
  if (header.average_output.data() && parts.tree_target.empty()) {
    const std::string message = "the model is the mean of its trees, and none is left" +
                                (chosen.rule.empty() ? "" : " with " + chosen.rule);
    return choice.any() ? invalid_argument(message) : corrupt(message);
  }
  if (header.average_output.data())
    model.output.link.divisor = static_cast<double>(parts.tree_target.size() / n_outputs);
  SPINNEY_TRY(read_tail(lines, model));
  SPINNEY_ASSIGN(model.scorer, make_forest(std::move(parts)));
  return model;
}

}  // namespace lightgbm

Result<Description> read_lightgbm_text(std::span<const char> bytes, const Choice& choice) {
  const BudgetOfFile budget(bytes.size());
  SPINNEY_TRY(refuse_member(choice, "LightGBM's text"));
  SPINNEY_ASSIGN(DescriptionParts model,
                 lightgbm::read_text({bytes.data(), bytes.size()}, 0, choice));
  return make_description(std::move(model));
}

}  // namespace spinney::load
