// Every field of a DescriptionParts, in the order of the file, listed once for writer and reader.
//
// An Archive is a function object over numbers, bools, strings, vectors and variants; over
// SharedArray (which becomes a section of its own); and limited(e, last) over enumerations. The
// writer's takes const references, the reader's fills what it is given. version() is the format's:
// what a version added is neither written nor read in those before.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>

#include "spinney/model/description.h"
#include "spinney/model/ensemble.h"
#include "spinney/model/graph.h"

namespace spinney::load {

// What a description begins with.
enum ScorerKind : uint8_t {
  kForestScorer = 0,
  kLinearScorer = 1,
  kEnsembleScorer = 2,  // of versions before 3
  kGraphScorer = 3,
};

// Added to the number of a scorer whose leaves or weights are codes. Its quantization and an array
// of packed codes come before its own fields, where the array of leaves or weights is then empty.
inline constexpr uint8_t kQuantizedScorer = 16;

template <typename T, typename Field>
concept Is = std::same_as<std::remove_const_t<T>, Field>;

template <typename Archive, Is<ForestSettings> T>
void fields(Archive& archive, T& settings) {
  archive.limited(settings.input, NumberType::kFloat64);
  archive.limited(settings.comparison, Comparison::kLessEqual);
  archive.limited(settings.accumulator, NumberType::kFloat64);
  archive.limited(settings.reduction, Reduction::kWeightedMedian);
  archive(settings.n_features);
  archive(settings.n_outputs);
  archive(settings.leaf_width);
  archive(settings.divisor);
  if (archive.version() >= 3) archive(settings.scale);
  archive(settings.absent_is_missing);
  archive(settings.missing_value);
}

// A forest's arrays; its settings come first in the file but are adopt_forest()'s to set.
template <typename Archive, Is<Forest> T>
void fields(Archive& archive, T& forest) {
  archive(forest.tree_begin);
  archive(forest.tree_target);
  archive(forest.nodes);
  archive(forest.leaf_values);
  if (archive.version() >= 2) archive(forest.matrix_leaf_values);
  archive(forest.base);
  if (archive.version() >= 3) archive(forest.shift);
  archive(forest.tree_weights);
  archive(forest.category_sets);
  archive(forest.category_words);
  archive(forest.linear_leaves);
  archive(forest.term_features);
  archive(forest.term_weights);
}

template <typename Archive, Is<Quantization> T>
void fields(Archive& archive, T& quantization) {
  archive.limited(quantization.type, CodeType::kFloat16);
  archive.limited(quantization.score_type, NumberType::kFloat64);
  archive(quantization.scales);
  archive(quantization.offsets);
  archive(quantization.bounds);
}

// A linear model's types of sums and scores, in one byte.
enum class LinearTypes : uint8_t { kFloat32 = 0, kFloat64 = 1, kFloat32ThenFloat64 = 2 };

template <typename Archive, Is<Linear> T>
void fields(Archive& archive, T& linear) {
  auto types = linear.wide_intercept ? LinearTypes::kFloat32ThenFloat64
                                     : static_cast<LinearTypes>(linear.arithmetic);
  archive.limited(types, LinearTypes::kFloat32ThenFloat64);
  if constexpr (!std::is_const_v<T>) {
    linear.wide_intercept = types == LinearTypes::kFloat32ThenFloat64;
    linear.arithmetic =
        types == LinearTypes::kFloat64 ? NumberType::kFloat64 : NumberType::kFloat32;
  }
  archive(linear.n_features);
  archive(linear.n_outputs);
  archive(linear.skip_missing);
  archive(linear.absent_is_missing);
  archive(linear.missing_value);
  archive(linear.weights);
  archive(linear.bias);
}

// Of versions before 3: all but the members, which the reader recurses into itself.
template <typename Archive, Is<Ensemble> T>
void fields(Archive& archive, T& ensemble) {
  archive.limited(ensemble.combination, Combination::kWeightedMedian);
  archive.limited(ensemble.arithmetic, NumberType::kFloat64);
  archive(ensemble.n_features);
  archive(ensemble.n_outputs);
  archive(ensemble.divisor);
}

template <typename Archive, Is<Member> T>
void fields(Archive& archive, T& member) {
  archive(member.features);
  archive(member.classes);
  archive(member.weight);
}

template <typename Archive, Is<InputNode> T>
void fields(Archive& archive, T& input) {
  archive(input.columns);
}

template <typename Archive, Is<SelectNode> T>
void fields(Archive& archive, T& select) {
  archive(select.from);
  archive(select.columns);
}

template <typename Archive, Is<JoinNode> T>
void fields(Archive& archive, T& join) {
  archive(join.from);
}

// All but the model, which the archives recurse into themselves.
template <typename Archive, Is<ScoreNode> T>
void fields(Archive& archive, T& score) {
  archive(score.from);
  archive.limited(score.answer, AnswerOf::kClasses);
}

template <typename Archive, Is<CombinedPart> T>
void fields(Archive& archive, T& part) {
  archive(part.from);
  archive(part.places);
  archive(part.weight);
}

template <typename Archive, Is<CombineNode> T>
void fields(Archive& archive, T& combine) {
  archive.limited(combine.combination, Combination::kWeightedMedian);
  archive.limited(combine.arithmetic, NumberType::kFloat64);
  archive(combine.n_outputs);
  archive(combine.divisor);
  archive(combine.parts);
}

template <typename Archive, Is<LabelNode> T>
void fields(Archive& archive, T& label) {
  archive(label.from);
  archive(label.labels);
}

template <typename Archive, Is<ThresholdNode> T>
void fields(Archive& archive, T& node) {
  archive(node.from);
  archive(node.column);
  archive(node.negated);
  archive(node.threshold);
  archive(node.below);
  archive(node.reached);
  archive(node.n_classes);
}

template <typename Archive, Is<MapNode> T>
void fields(Archive& archive, T& map) {
  archive(map.from);
  archive.limited(map.function, Function::kAffine);
  archive(map.factor);
  archive(map.summand);
}

template <typename Archive, Is<CalibrationCurve> T>
void fields(Archive& archive, T& curve) {
  archive(curve.place);
  archive(curve.a);
  archive(curve.b);
  archive.limited(curve.arithmetic, NumberType::kFloat64);
  archive(curve.x);
  archive(curve.y);
}

template <typename Archive, Is<CalibrateNode> T>
void fields(Archive& archive, T& node) {
  archive(node.from);
  archive.limited(node.calibration, Calibration::kLogTemperature);
  archive(node.n_classes);
  archive(node.curves);
}

template <typename Archive, Is<PairwiseVotesNode> T>
void fields(Archive& archive, T& node) {
  archive(node.n_classes);
  archive(node.from);
}

template <typename Archive, Is<NearestCodeNode> T>
void fields(Archive& archive, T& node) {
  archive(node.from);
  archive(node.n_classes);
  archive(node.codes);
}

template <typename Archive, Is<GraphAnswers> T>
void fields(Archive& archive, T& answers) {
  archive(answers.scores);
  archive(answers.values);
  archive(answers.classes);
}

template <typename Archive, Is<Labels> T>
void fields(Archive& archive, T& labels) {
  archive(labels.values);
  archive(labels.is_bool);
  archive(labels.dtype);
}

template <typename Archive, Is<Output> T>
void fields(Archive& archive, T& output) {
  archive.limited(output.task, Task::kOutlier);
  archive(output.objective);
  archive.limited(output.link.kind, LinkKind::kTreeliteSignedSquare);
  archive(output.link.parameter);
  archive(output.link.divisor);
  archive(output.decision_on_raw);
  archive.limited(output.decision, archive.version() >= 3 ? Decision::kByNode : Decision::kOutlier);
  archive(output.threshold);
  archive.limited(output.value_type, NumberType::kFloat64);
  archive(output.labels);
  archive(output.has_probabilities);
  archive(output.keep_column_axis);
}

template <typename Archive, Is<ColumnCategories> T>
void fields(Archive& archive, T& categories) {
  archive(categories.feature);
  archive(categories.values);
}

template <typename Archive, Is<NumberCodes> T>
void fields(Archive& archive, T& codes) {
  archive(codes.feature);
  archive(codes.values);
}

template <typename Archive, Is<Source> T>
void fields(Archive& archive, T& source) {
  archive(source.library);
  archive(source.version);
  archive(source.format);
  archive(source.kind);
}

template <typename Archive, Is<CategoryTables> T>
void fields(Archive& archive, T& tables) {
  archive(tables.n_inputs);
  archive(tables.categories);
  archive(tables.equals);
  archive(tables.hashed_equals);
  archive(tables.above);
  archive(tables.columns);
  archive(tables.projections);
  archive(tables.tables);
  archive(tables.buckets);
  archive(tables.words);
  archive(tables.counts);
}

template <typename Archive, Is<SchemaColumn> T>
void fields(Archive& archive, T& column) {
  archive(column.name);
  archive.limited(column.kind, ColumnKind::kBoolean);
  archive(column.values);
  archive(column.missing_allowed);
  archive(column.unknown_allowed);
}

// Whether there is a schema, then its columns.
template <typename Archive>
void schema_fields(Archive& archive, const SchemaPtr& schema) {
  archive(schema != nullptr);
  if (schema) archive(schema->columns);
}
template <typename Archive>
void schema_fields(Archive& archive, SchemaPtr& schema) {
  bool there = false;
  archive(there);
  if (!there) return;
  Schema read;
  archive(read.columns);
  schema = std::make_shared<const Schema>(std::move(read));
}

// All but the scorer, which comes before.
template <typename Archive, Is<DescriptionParts> T>
void fields(Archive& archive, T& model) {
  archive(model.output);
  archive(model.source);
  archive(model.feature_names);
  archive(model.categories);
  archive(model.categories_by_position);
  archive(model.number_codes);
  archive(model.warnings);
  archive(model.refuses_infinity);
  archive(model.refuses_missing);
  if (archive.version() >= 2) {
    archive(model.trees.in_file);
    archive(model.trees.rule);
  }
  if (archive.version() >= 3) {
    bool has_categories = model.category_tables.has_value();
    archive(has_categories);
    if constexpr (!std::is_const_v<T>)
      if (has_categories) model.category_tables.emplace();
    if (model.category_tables) archive(*model.category_tables);
  }
  if (archive.version() >= 4) schema_fields(archive, model.schema);
}

}  // namespace spinney::load
