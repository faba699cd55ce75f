#include "spinney/load/catboost/catboost.h"

#include <new>
#include <stdexcept>
#include <string>

#include "spinney/load/catboost/tables.h"
#include "spinney/load/file/budget.h"

namespace spinney::load {
namespace catboost {
namespace {

const char* class_name(Kind kind) {
  switch (kind) {
    case Kind::kClassifier:
      return "CatBoostClassifier";
    case Kind::kRanker:
      return "CatBoostRanker";
    case Kind::kRegressor:
      return "CatBoostRegressor";
    default:
      return "CatBoost";
  }
}

// ntree_start and ntree_end as CatBoost's predict() has them; an end of 0 is that of all trees.
Result<TreeRange> range_of(const Choice& choice, size_t n_trees, std::string& rule) {
  SPINNEY_TRY(check_catboost_choice(choice));
  TreeRange range{0, n_trees};
  if (!choice.ntree_start && !choice.ntree_end) return range;
  const int64_t first = choice.ntree_start.value_or(0);
  int64_t behind = choice.ntree_end.value_or(0);
  if (behind == 0) behind = static_cast<int64_t>(n_trees);
  rule = choice_rule(choice);
  if (first < 0 || behind < 0 || behind > static_cast<int64_t>(n_trees) || first >= behind)
    return invalid_argument(rule + ", but the model has " + std::to_string(n_trees) + " trees");
  return TreeRange{static_cast<size_t>(first), static_cast<size_t>(behind)};
}

// One name a column, or none at all: CatBoost then calls columns by their numbers.
Status name_columns(const Tables& tables, size_t n_features, DescriptionParts& model) {
  std::vector<std::string> names(n_features);
  bool named = false;
  const auto take = [&](const auto& features) {
    for (const auto& feature : features) {
      named |= !feature.name.empty();
      names[static_cast<size_t>(feature.column)] = feature.name;
    }
  };
  take(tables.floats);
  take(tables.categories);
  if (!named) return {};
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].empty()) names[i] = std::to_string(i);
  model.feature_names = std::move(names);
  return {};
}

// Memory running out is the one exception that reading can meet.
template <typename Read>
Result<Description> guarded(size_t file_bytes, const Choice& choice, const char* format,
                            Read&& read) {
  try {
    const BudgetOfFile budget(file_bytes);
    SPINNEY_ASSIGN(Tables tables, read());
    SPINNEY_ASSIGN(DescriptionParts model, describe(tables, {Kind::kByLoss, choice, format}));
    return make_description(std::move(model));
  } catch (const std::bad_alloc&) {
    return too_large("the model does not fit in memory");
  } catch (const std::length_error&) {
    return too_large("the model does not fit in memory");
  }
}

}  // namespace

Result<DescriptionParts> describe(const Tables& tables, const Wanted& wanted) {
  DescriptionParts model;
  const size_t n_trees = tables.sizes.size();
  SPINNEY_ASSIGN(const TreeRange range, range_of(wanted.choice, n_trees, model.trees.rule));
  model.trees.in_file = n_trees;
  model.trees.per_iteration = 1;
  model.trees.first = range.first;
  SPINNEY_ASSIGN(Forest forest, make_trees(tables, range));
  Kind kind = wanted.kind == Kind::kByLoss ? kind_of(tables.facts) : wanted.kind;
  if (wanted.choice.as_booster) kind = Kind::kBare;
  SPINNEY_ASSIGN(model.output, output_of(tables.facts, kind, forest.settings().n_outputs));
  model.source = {"catboost", tables.facts.version, wanted.format, class_name(kind)};
  SPINNEY_ASSIGN(const uint32_t n_features, count_columns(tables));
  if (!tables.categories.empty()) {
    SPINNEY_ASSIGN(model.category_tables, make_category_tables(tables, n_features));
  }
  SPINNEY_TRY(name_columns(tables, n_features, model));
  model.scorer = std::move(forest);
  return model;
}

}  // namespace catboost

Result<Description> read_catboost_cbm(std::span<const char> bytes, const Choice& choice) {
  return catboost::guarded(bytes.size(), choice, "cbm", [&] { return catboost::read_cbm(bytes); });
}

Result<Description> read_catboost_json(std::span<const char> bytes, const Choice& choice) {
  return catboost::guarded(bytes.size(), choice, "json",
                           [&] { return catboost::read_json(bytes); });
}

bool is_catboost_json(std::span<const char> bytes) {
  const std::string_view text(bytes.data(), bytes.size());
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t open = text.find_first_not_of(kSpace);
  if (open == std::string_view::npos || text[open] != '{') return false;
  const size_t key = text.find_first_not_of(kSpace, open + 1);
  if (key == std::string_view::npos) return false;
  const std::string_view rest = text.substr(key);
  for (const std::string_view known : {"\"ctr_data\"", "\"features_info\"", "\"model_info\"",
                                       "\"oblivious_trees\"", "\"scale_and_bias\"", "\"trees\""})
    if (rest.starts_with(known)) return true;
  return false;
}

}  // namespace spinney::load
