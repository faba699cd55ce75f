// GraphBuilder::add(): the one check of nodes, for readers and artifacts alike.
#include <algorithm>
#include <cmath>
#include <string>

#include "spinney/model/description.h"
#include "spinney/model/graph.h"

namespace spinney {
namespace {

std::string of(size_t number, size_t total) {
  return std::to_string(number) + " of " + std::to_string(total);
}

// A node's shape, out of those of the nodes before it.
class Shaper {
 public:
  explicit Shaper(const std::vector<NodeShape>& shapes) : shapes_(shapes) {}

  size_t growth() const { return growth_; }

  Result<NodeShape> operator()(const InputNode& input) {
    if (!shapes_.empty()) return corrupt("an input stands behind other nodes");
    return NodeShape{input.columns, ColumnType::kAsGiven, 0, {}, true};
  }

  Result<NodeShape> operator()(const SelectNode& select) {
    SPINNEY_ASSIGN(const NodeShape* const seen, numbers(select.from));
    if (select.columns.empty()) return corrupt("it selects no columns");
    if (seen->views >= kGraphViewsMax) return too_many_views();
    for (const uint32_t column : select.columns)
      if (column >= seen->columns) return corrupt("it reads column " + of(column, seen->columns));
    return NodeShape{static_cast<uint32_t>(select.columns.size()),
                     seen->type,
                     0,
                     {},
                     seen->reads_input,
                     seen->views + 1};
  }

  Result<NodeShape> operator()(const JoinNode& join) {
    if (join.from.empty()) return corrupt("it joins no columns");
    SPINNEY_ASSIGN(const NodeShape* const first, any(join.from[0]));
    if (first->type == ColumnType::kClass) return join_classes(join);
    NodeShape shape{0, ColumnType::kFloat32, 0, {}, false, 1};
    for (const uint32_t from : join.from) {
      SPINNEY_ASSIGN(const NodeShape* const seen, numbers(from));
      if (seen->columns == 0) return corrupt("it joins a node without columns");
      if (seen->views >= kGraphViewsMax) return too_many_views();
      growth_ += seen->columns;
      if (growth_ > kGraphGrowthMax) return too_wide();
      shape.columns += seen->columns;
      shape.reads_input = shape.reads_input || seen->reads_input;
      shape.views = std::max(shape.views, seen->views + 1);
      if (shape.type == ColumnType::kFloat32 || seen->type == ColumnType::kFloat64)
        shape.type = seen->type;
    }
    return shape;
  }

  Result<NodeShape> operator()(const ScoreNode& score) {
    if (!score.model) return corrupt("it is missing");
    const Description& model = *score.model;
    if (model.category_tables)
      return unsupported("it has categories, which only a model of its own may have");
    if (model.depth() >= kGraphDepthMax)
      return too_large("ensembles nest deeper than " + std::to_string(kGraphDepthMax));
    SPINNEY_ASSIGN(const NodeShape* const seen, numbers(score.from));
    if (seen->columns != model.n_features())
      return corrupt("it is given " + std::to_string(seen->columns) + " columns and reads " +
                     std::to_string(model.n_features()));
    return answer(model, score.answer);
  }

  Result<NodeShape> operator()(const CombineNode& combine) {
    if (combine.combination > Combination::kWeightedMedian)
      return corrupt("the ensemble combines its members in an unknown way");
    if (combine.arithmetic > NumberType::kFloat64)
      return corrupt("the ensemble adds in an unknown type");
    if (combine.n_outputs == 0) return corrupt("the ensemble has no outputs");
    if (combine.parts.empty()) return corrupt("the ensemble has no members");
    if (combine.combination == Combination::kWeightedMedian && combine.n_outputs != 1)
      return corrupt("a weighted median has one output, not " + std::to_string(combine.n_outputs));
    size_t placed = 0;
    for (size_t p = 0; p < combine.parts.size(); ++p) {
      const Status status = part(combine, combine.parts[p]);
      if (!status.ok())
        return Error{status.error().code, "ensemble member " + of(p, combine.parts.size()) + ": " +
                                              status.error().message};
      placed +=
          combine.parts[p].places.empty() ? combine.n_outputs : combine.parts[p].places.size();
    }
    if (combine.n_outputs > placed) growth_ += combine.n_outputs - placed;
    const bool values = combines_values(combine.combination);
    return NodeShape{combine.n_outputs, static_cast<ColumnType>(combine.arithmetic),
                     values ? 0 : n_classes(combine)};
  }

  Result<NodeShape> operator()(const LabelNode& label) {
    SPINNEY_ASSIGN(const NodeShape* const seen, classes(label.from));
    if (label.labels.size() != seen->classes)
      return corrupt("it has " + std::to_string(label.labels.size()) + " labels for " +
                     std::to_string(seen->classes) + " classes");
    return NodeShape{1, ColumnType::kFloat64};
  }

  Result<NodeShape> operator()(const ThresholdNode& node) {
    SPINNEY_ASSIGN(const NodeShape* const seen, numbers(node.from));
    if (node.column >= seen->columns)
      return corrupt("it reads column " + of(node.column, seen->columns));
    const uint32_t last = std::max(node.below, node.reached);
    if (last >= node.n_classes) return corrupt("it decides for class " + of(last, node.n_classes));
    if (std::isnan(node.threshold)) return corrupt("its threshold is NaN");
    return NodeShape{1, ColumnType::kClass, node.n_classes};
  }

  Result<NodeShape> operator()(const MapNode& map) {
    if (map.function > Function::kAffine) return corrupt("it computes an unknown function");
    SPINNEY_ASSIGN(const NodeShape* const seen, numbers(map.from));
    const bool wide = map.function == Function::kDouble;
    return NodeShape{seen->columns, wide ? ColumnType::kFloat64 : seen->type};
  }

  Result<NodeShape> operator()(const CalibrateNode& node) {
    if (node.calibration > Calibration::kLogTemperature)
      return corrupt("it calibrates in an unknown way");
    SPINNEY_ASSIGN(const NodeShape* const seen, numbers(node.from));
    const bool together = node.calibration >= Calibration::kTemperature;
    const size_t wanted = together ? 1 : seen->columns;
    if (node.n_classes < 2 || node.curves.size() != wanted)
      return corrupt("it has " + std::to_string(node.curves.size()) + " calibrations for " +
                     std::to_string(seen->columns) + " scores of " +
                     std::to_string(node.n_classes) + " classes");
    const bool one_of_two = node.n_classes == 2 && seen->columns == 1;
    if (together ? !one_of_two && seen->columns != node.n_classes
                 : node.n_classes == 2 && seen->columns != 1)
      return corrupt("it makes probabilities of " + std::to_string(node.n_classes) +
                     " classes out of " + std::to_string(seen->columns) + " scores");
    for (const CalibrationCurve& curve : node.curves) SPINNEY_TRY(check(node, curve));
    if (node.n_classes > node.curves.size() && !together)
      growth_ += node.n_classes - node.curves.size();
    return NodeShape{node.n_classes, ColumnType::kFloat64, node.n_classes};
  }

  Result<NodeShape> operator()(const PairwiseVotesNode& node) {
    const uint64_t n = node.n_classes;
    if (n < 2 || n > kGraphNodesMax || node.from.size() != n * (n - 1))
      return corrupt("it has " + std::to_string(node.from.size()) + " answers of pairs of " +
                     std::to_string(n) + " classes");
    for (size_t i = 0; i < node.from.size(); ++i) {
      const bool votes = i < node.from.size() / 2;
      SPINNEY_ASSIGN(const NodeShape* const seen,
                     votes ? classes(node.from[i]) : numbers(node.from[i]));
      if (seen->columns != 1) return corrupt("a pair of classes has several answers");
    }
    return NodeShape{n == 2 ? 1 : node.n_classes, ColumnType::kFloat64};
  }

  Result<NodeShape> operator()(const NearestCodeNode& node) {
    SPINNEY_ASSIGN(const NodeShape* const seen, numbers(node.from));
    if (node.n_classes == 0 || seen->columns == 0 ||
        node.codes.size() != size_t{node.n_classes} * seen->columns)
      return corrupt("it has " + std::to_string(node.codes.size()) + " bits of the codes of " +
                     std::to_string(node.n_classes) + " classes for " +
                     std::to_string(seen->columns) + " scores");
    if (!std::all_of(node.codes.begin(), node.codes.end(),
                     [](double x) { return std::isfinite(x); }))
      return corrupt("a code is no finite number");
    return NodeShape{node.n_classes, ColumnType::kFloat64};
  }

 private:
  static bool votes(Combination combination) {
    return combination == Combination::kMajorityVote || combination == Combination::kSamme;
  }
  static bool combines_values(Combination combination) {
    return combination == Combination::kMeanValue || combination == Combination::kWeightedMedian;
  }
  // Classes that a vote chooses among.
  static uint32_t n_classes(const CombineNode& combine) {
    if (combine.combination == Combination::kSamme && combine.n_outputs == 1) return 2;
    return combine.n_outputs;
  }

  static Error too_many_views() {
    return corrupt("columns are selected and joined more than " + std::to_string(kGraphViewsMax) +
                   " times over");
  }

  static Error too_wide() {
    return too_large("the graph has more than " + std::to_string(kGraphGrowthMax) +
                     " columns that are joined or that nothing is added to");
  }

  Result<const NodeShape*> any(uint32_t from) const {
    if (from < shapes_.size()) return &shapes_[from];
    return corrupt("it reads node " + std::to_string(from) + ", which does not come before it");
  }

  Result<const NodeShape*> numbers(uint32_t from) const {
    SPINNEY_ASSIGN(const NodeShape* const seen, any(from));
    if (seen->type == ColumnType::kClass)
      return corrupt("it reads the classes of node " + std::to_string(from) + " as numbers");
    return seen;
  }

  Result<const NodeShape*> classes(uint32_t from) const {
    SPINNEY_ASSIGN(const NodeShape* const seen, any(from));
    if (seen->type == ColumnType::kClass && seen->columns == 1) return seen;
    return corrupt("it reads node " + std::to_string(from) + ", which says no class");
  }

  static Status check(const CalibrateNode& node, const CalibrationCurve& curve) {
    if (curve.place >= node.n_classes)
      return corrupt("it calibrates class " + of(curve.place, node.n_classes));
    if (!std::isfinite(curve.a) || !std::isfinite(curve.b) ||
        curve.arithmetic > NumberType::kFloat64)
      return corrupt("a calibration is no finite number");
    if (node.calibration != Calibration::kIsotonic) return {};
    if (curve.x.empty() || curve.x.size() != curve.y.size())
      return corrupt("a calibration has " + std::to_string(curve.x.size()) + " points and " +
                     std::to_string(curve.y.size()) + " values");
    for (size_t i = 0; i < curve.x.size(); ++i)
      if (!std::isfinite(curve.x[i]) || !std::isfinite(curve.y[i]) ||
          (i > 0 && !(curve.x[i - 1] < curve.x[i])))
        return corrupt("the points of a calibration do not ascend");
    return {};
  }

  static Result<NodeShape> answer(const Description& model, AnswerOf kind) {
    const Output& output = model.output;
    const size_t raw = model.n_outputs();
    const size_t classes = output.labels.size() == 1 ? output.labels[0].size() : 0;
    const auto type = static_cast<ColumnType>(output.value_type);
    const auto shape = [](size_t columns, ColumnType of, size_t n_classes) {
      return NodeShape{static_cast<uint32_t>(columns), of, static_cast<uint32_t>(n_classes)};
    };
    switch (kind) {
      case AnswerOf::kRaw:
        return shape(raw, static_cast<ColumnType>(model.score_type()), 0);
      case AnswerOf::kValues:
        return shape(value_columns(output, raw), type, 0);
      case AnswerOf::kProbabilities:
        if (!output.has_probabilities)
          return corrupt("it has no probabilities to take the mean of");
        return shape(probability_columns(output, raw), type, classes);
      case AnswerOf::kClasses:
        if (output.decision == Decision::kValues)
          return corrupt("it predicts no classes to vote with");
        if (output.labels.empty()) return corrupt("it does not have one set of classes");
        return classes_of(output.labels);
    }
    return corrupt("it is asked for an unknown kind of answer");
  }

  static NodeShape classes_of(const std::vector<Labels>& labels) {
    NodeShape shape{static_cast<uint32_t>(labels.size()), ColumnType::kClass};
    if (labels.size() == 1) shape.classes = static_cast<uint32_t>(labels[0].size());
    if (labels.size() > 1)
      for (const Labels& one : labels) shape.targets.push_back(static_cast<uint32_t>(one.size()));
    return shape;
  }

  Result<NodeShape> join_classes(const JoinNode& join) {
    NodeShape shape{0, ColumnType::kClass};
    for (const uint32_t from : join.from) {
      SPINNEY_ASSIGN(const NodeShape* const seen, any(from));
      if (seen->type != ColumnType::kClass)
        return corrupt("it joins classes and the numbers of node " + std::to_string(from));
      growth_ += seen->columns;
      if (growth_ > kGraphGrowthMax) return too_wide();
      shape.columns += seen->columns;
      if (seen->targets.empty()) shape.targets.push_back(seen->classes);
      shape.targets.insert(shape.targets.end(), seen->targets.begin(), seen->targets.end());
    }
    if (shape.targets.size() > 1) return shape;
    shape.classes = shape.targets[0];
    shape.targets.clear();
    return shape;
  }

  Status part(const CombineNode& combine, const CombinedPart& part) const {
    SPINNEY_ASSIGN(const NodeShape* const seen,
                   votes(combine.combination) ? any(part.from) : numbers(part.from));
    size_t answers = seen->columns;
    if (combines_values(combine.combination)) {
      // Values are written side by side, as many as the ensemble has: none can be placed.
      if (!part.places.empty())
        return corrupt("it places " + std::to_string(part.places.size()) +
                       " classes, and the ensemble combines values");
    } else {
      if (votes(combine.combination) && seen->type != ColumnType::kClass)
        return corrupt("it predicts no classes to vote with");
      if (seen->classes == 0) return corrupt("it does not have one set of classes");
      answers = seen->classes;
      if (!votes(combine.combination) && seen->columns != answers)
        return corrupt("it does not have one probability for each of its classes");
    }
    const size_t wanted = n_classes(combine);
    if (part.places.empty() && answers != wanted)
      return corrupt("it has " + std::to_string(answers) +
                     " classes or values where the ensemble has " + std::to_string(wanted));
    if (!part.places.empty() && part.places.size() != answers)
      return corrupt("it has " + std::to_string(answers) + " classes, of which " +
                     std::to_string(part.places.size()) + " are placed");
    for (const uint32_t c : part.places)
      if (c >= wanted) return corrupt("it votes for class " + of(c, wanted));
    return {};
  }

  const std::vector<NodeShape>& shapes_;
  size_t growth_ = 0;
};

}  // namespace

Result<uint32_t> GraphBuilder::add(GraphNode node) {
  if (graph_.nodes_.size() >= kGraphNodesMax)
    return too_large("the graph has more than " + std::to_string(kGraphNodesMax) + " nodes");
  if (graph_.nodes_.empty() && !std::holds_alternative<InputNode>(node))
    return corrupt("the graph does not begin with its input");
  Shaper shaper(graph_.shapes_);
  SPINNEY_ASSIGN(const NodeShape shape, std::visit(shaper, node));
  growth_ += shaper.growth();
  if (growth_ > kGraphGrowthMax)
    return too_large("the graph has more than " + std::to_string(kGraphGrowthMax) +
                     " columns that are joined or that nothing is added to");
  if (const auto* score = std::get_if<ScoreNode>(&node))
    graph_.depth_ = std::max(graph_.depth_, score->model->depth() + 1);
  graph_.nodes_.push_back(std::move(node));
  graph_.shapes_.push_back(shape);
  return static_cast<uint32_t>(graph_.nodes_.size() - 1);
}

}  // namespace spinney
