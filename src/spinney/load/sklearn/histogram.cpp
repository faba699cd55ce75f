// HistGradientBoosting*: float64 inputs and thresholds, categories, and a preprocessor that puts
// the categorical columns first.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "spinney/load/file/budget.h"
#include "spinney/load/pickle/array_values.h"
#include "spinney/load/pickle/attributes.h"
#include "spinney/load/sklearn/columns.h"
#include "spinney/load/sklearn/sklearn.h"

namespace spinney::load {
namespace {

// The nodes of one TreePredictor.
class Predictor {
 public:
  static Result<Predictor> read(const Record& record, size_t index) {
    SPINNEY_ASSIGN(const NdArray* const nodes, array_attribute(record, "nodes"));
    Predictor predictor;
    predictor.nodes_ = nodes;
    const std::string name = "tree " + std::to_string(index);
    constexpr std::array<std::string_view, kFieldCount> kNames = {
        "value", "feature_idx", "missing_go_to_left", "left", "right", "is_leaf"};
    for (size_t f = 0; f < kFieldCount; ++f)
      SPINNEY_TRY(predictor.find(kNames[f], name, predictor.fields_[f]));
    // "threshold" until scikit-learn 0.23; categories since 0.24.
    SPINNEY_TRY(predictor.find(nodes->field("num_threshold") ? "num_threshold" : "threshold", name,
                               predictor.threshold_));
    if (nodes->field("is_categorical")) {
      SPINNEY_TRY(predictor.find("is_categorical", name, predictor.categorical_));
      SPINNEY_TRY(predictor.find("bitset_idx", name, predictor.bitset_));
      SPINNEY_ASSIGN(predictor.sets_, array_attribute(record, "raw_left_cat_bitsets"));
    }
    if (nodes->size() == 0 || nodes->size() > (size_t{1} << 30))
      return corrupt(name + " has " + std::to_string(nodes->size()) + " nodes");
    SPINNEY_TRY(spend(name, 1, nodes->bytes.size(), kModelObjects));
    return predictor;
  }

  size_t n_nodes() const { return nodes_->size(); }
  double value(size_t i) const { return real(i, fields_[0]); }
  int64_t feature(size_t i) const { return whole(i, fields_[1]); }
  bool missing_left(size_t i) const { return whole(i, fields_[2]) != 0; }
  int64_t left(size_t i) const { return whole(i, fields_[3]); }
  int64_t right(size_t i) const { return whole(i, fields_[4]); }
  bool is_leaf(size_t i) const { return whole(i, fields_[5]) != 0; }
  double threshold(size_t i) const { return real(i, threshold_); }
  bool is_categorical(size_t i) const { return sets_ && whole(i, categorical_) != 0; }
  int64_t bitset(size_t i) const { return whole(i, bitset_); }
  const NdArray* sets() const { return sets_; }

 private:
  static constexpr size_t kFieldCount = 6;
  struct Place {
    NumberReader reader;
    size_t offset = 0;
  };

  Status find(std::string_view field, const std::string& name, Place& place) const {
    const NdArray::Field* found = nodes_->field(field);
    if (!found) return corrupt(name + ": its nodes lack the field " + std::string(field));
    place = {NumberReader(found->dtype), found->offset};
    if (!place.reader.is_number())
      return corrupt(name + ": " + std::string(field) + " is of dtype " + found->dtype.text);
    return {};
  }
  const char* at(size_t i, const Place& place) const {
    return nodes_->bytes.data() + i * nodes_->dtype.item_size + place.offset;
  }
  double real(size_t i, const Place& place) const {
    return place.reader.real(at(i, place)).value_or(std::nan(""));
  }
  int64_t whole(size_t i, const Place& place) const {
    return place.reader.whole(at(i, place)).value_or(-1);
  }

  const NdArray* nodes_ = nullptr;
  const NdArray* sets_ = nullptr;
  std::array<Place, kFieldCount> fields_;
  Place threshold_, categorical_, bitset_;
};

// Categories that go left: those in the node's own set and, if missing values go left, all that
// training did not know, which count as missing.
Status append_set(const Predictor& tree, size_t i, const CategoryWords& known, ForestParts& parts) {
  const NdArray& sets = *tree.sets();
  const int64_t row = tree.bitset(i);
  if (sets.dtype.text != "<u4" || sets.shape.size() != 2 || sets.shape[1] != 8 ||
      sets.fortran_order || row < 0 || row >= sets.shape[0])
    return corrupt("its category set is not there");
  CategorySet set;
  set.first_word = static_cast<uint32_t>(parts.category_words.size());
  set.word_count = 8;
  set.other_left = tree.missing_left(i);
  for (size_t w = 0; w < 8; ++w) {
    uint32_t left;
    std::memcpy(&left, sets.bytes.data() + (static_cast<size_t>(row) * 8 + w) * 4, 4);
    parts.category_words.push_back(left | (set.other_left ? ~known[w] : 0));
  }
  parts.category_sets.push_back(set);
  return {};
}

Status append_split(const Predictor& tree, size_t i, const HistogramColumns& columns,
                    ForestParts& parts) {
  const auto n = static_cast<int64_t>(tree.n_nodes());
  const int64_t feature = tree.feature(i);
  if (feature < 0 || feature >= static_cast<int64_t>(columns.input_column.size()))
    return corrupt("feature " + std::to_string(feature) + " is beyond the " +
                   std::to_string(columns.input_column.size()) + " features of the model");
  for (const int64_t child : {tree.left(i), tree.right(i)})
    if (child <= 0 || child >= n)
      return corrupt("child " + std::to_string(child) + " is outside 1 to " +
                     std::to_string(n - 1));
  Node node;
  node.left = static_cast<int32_t>(tree.left(i));
  node.right = static_cast<int32_t>(tree.right(i));
  node.feature = columns.input_column[static_cast<size_t>(feature)];
  if (tree.missing_left(i)) node.flags |= Node::kDefaultLeft;
  if (tree.is_categorical(i)) {
    node.flags |= Node::kCategorical;
    node.threshold = static_cast<double>(parts.category_sets.size());
    SPINNEY_TRY(append_set(tree, i, columns.known[static_cast<size_t>(feature)], parts));
  } else {
    node.threshold = tree.threshold(i);
    if (std::isnan(node.threshold)) return corrupt("its threshold is not a number");
  }
  parts.nodes.push_back(node);
  return {};
}

Status append_predictor(const Predictor& tree, size_t index, uint32_t target,
                        const HistogramColumns& columns, ForestParts& parts) {
  for (size_t i = 0; i < tree.n_nodes(); ++i) {
    if (tree.is_leaf(i)) {
      parts.nodes.push_back(
          Node::leaf(static_cast<uint32_t>(parts.leaf_values.size()), static_cast<int32_t>(i)));
      parts.leaf_values.push_back(tree.value(i));
      continue;
    }
    const Status status = append_split(tree, i, columns, parts);
    if (!status.ok())
      return Error{status.error().code, "tree " + std::to_string(index) + ", node " +
                                            std::to_string(i) + ": " + status.error().message};
  }
  parts.tree_begin.push_back(static_cast<uint32_t>(parts.nodes.size()));
  parts.tree_target.push_back(target);
  return {};
}

Status append_predictors(const Record& record, const List& iterations,
                         const HistogramColumns& columns, ForestParts& parts) {
  std::vector<Predictor> trees;
  size_t n_nodes = 0;
  for (const Value& iteration : iterations) {
    const List* members = iteration.list();
    if (!members || members->size() != parts.settings.n_outputs)
      return corrupt(place(record, "_predictors") + ": an iteration does not hold " +
                     std::to_string(parts.settings.n_outputs) + " trees");
    for (const Value& member : *members) {
      if (!member.record())
        return corrupt(place(record, "_predictors") + " holds " + member.what());
      SPINNEY_ASSIGN(Predictor tree, Predictor::read(*member.record(), trees.size()));
      n_nodes += tree.n_nodes();
      trees.push_back(tree);
    }
  }
  if (n_nodes > UINT32_MAX) return too_large("the model has more than 4,294,967,295 nodes");
  parts.nodes.reserve(n_nodes);
  parts.leaf_values.reserve((n_nodes + trees.size()) / 2);
  for (size_t t = 0; t < trees.size(); ++t)
    SPINNEY_TRY(append_predictor(trees[t], t, static_cast<uint32_t>(t % parts.settings.n_outputs),
                                 columns, parts));
  return {};
}

Status read_output(const Record& record, size_t n_outputs, Output& output) {
  output.value_type = NumberType::kFloat64;
  SPINNEY_ASSIGN(output.objective, text_attribute(record, "loss"));
  if (!record.name.ends_with("Classifier")) {
    if (output.objective == "poisson" || output.objective == "gamma")
      output.link = {.kind = LinkKind::kExp};
    return {};
  }
  SPINNEY_ASSIGN(const Value* const classes, attribute(record, "classes_"));
  output.labels.emplace_back();
  SPINNEY_ASSIGN(output.labels[0], to_labels(*classes, place(record, "classes_")));
  if (output.labels[0].size() == 1) name_second_class(output.labels[0]);
  const size_t n_classes = output.labels[0].size();
  if (n_classes < 2 || n_outputs != (n_classes == 2 ? 1 : n_classes))
    return corrupt(place(record, "_predictors") + " holds " + std::to_string(n_outputs) +
                   " trees an iteration for " + std::to_string(n_classes) + " classes");
  output.has_probabilities = true;
  // Until scikit-learn 1.4 the most probable class was predicted; since, the one of the best score.
  output.decision = Decision::kArgmax;
  output.decision_on_raw = !written_before(record, 1, 5);
  output.task = n_classes == 2 ? Task::kBinary : Task::kMulticlass;
  output.link = {.kind = n_classes == 2 ? LinkKind::kExpit : LinkKind::kSoftmax};
  if (n_classes == 2 && output.decision_on_raw) {
    output.decision = Decision::kThreshold;
    output.threshold = 0;
  }
  return {};
}

}  // namespace

Result<DescriptionParts> describe_sklearn_histogram(const Record& record,
                                                    DescribeContext& /*context*/) {
  DescriptionParts description;
  ForestParts parts;
  ForestSettings& s = parts.settings;
  SPINNEY_TRY(read_sklearn_common(record, description, s.n_features));
  SPINNEY_ASSIGN(const List* const iterations, list_attribute(record, "_predictors"));
  SPINNEY_ASSIGN(s.n_outputs, count_attribute(record, "n_trees_per_iteration_"));
  s.input = NumberType::kFloat64;
  s.comparison = Comparison::kLessEqual;
  s.accumulator = NumberType::kFloat64;
  SPINNEY_TRY(read_output(record, s.n_outputs, description.output));
  SPINNEY_ASSIGN(const Value* const baseline, attribute(record, "_baseline_prediction"));
  SPINNEY_ASSIGN(parts.base, to_doubles(*baseline, place(record, "_baseline_prediction")));
  if (parts.base.size() != s.n_outputs)
    return corrupt(place(record, "_baseline_prediction") + " holds " +
                   std::to_string(parts.base.size()) + " values for " +
                   std::to_string(s.n_outputs) + " outputs");
  SPINNEY_ASSIGN(HistogramColumns columns, read_histogram_columns(record, s.n_features));
  SPINNEY_TRY(append_predictors(record, *iterations, columns, parts));
  description.categories = std::move(columns.categories);
  description.number_codes = std::move(columns.number_codes);
  SPINNEY_ASSIGN(description.scorer, make_forest(std::move(parts)));
  return description;
}

}  // namespace spinney::load
