// Graph: a model that is made of others, as typed nodes from the columns of its input to the
// columns of its answers.
//
// Nodes stand in order: each reads only nodes before it, which leaves no room for cycles. Node 0 is
// the input. GraphBuilder is the only way to a Graph, and its add() the one check that readers and
// artifacts pass, so that plans check nothing. A model inside a node may be a graph itself.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/rows.h"

namespace spinney {

class Description;
class Graph;
using GraphPtr = std::shared_ptr<const Graph>;

// The columns of the rows as they are given: of either type, dense or sparse.
struct InputNode {
  uint32_t columns = 0;
};

// Columns of another node in this order.
struct SelectNode {
  uint32_t from = 0;
  std::vector<uint32_t> columns;
};

// All columns of these nodes side by side: numbers in the widest of their types, or classes.
struct JoinNode {
  std::vector<uint32_t> from;
};

// These numbers are stored in artifacts: append only.
enum class AnswerOf : uint8_t { kRaw = 0, kValues = 1, kProbabilities = 2, kClasses = 3 };

// What a whole model answers to the columns of another node.
struct ScoreNode {
  uint32_t from = 0;
  AnswerOf answer = AnswerOf::kValues;
  std::shared_ptr<const Description> model;
};

// How answers become one. Parts are taken in order; each is multiplied by its weight (unless that
// is 1), added, and the sums are divided by the divisor. Stored in artifacts: append only.
enum class Combination : uint8_t {
  kMeanProbability = 0,  // of one probability for each class (soft voting, Bagging)
  kMajorityVote = 1,     // the weight, to the class that a part says (hard voting)
  kMeanValue = 2,        // of values (regressors)
  // The weight to the class that a part says and -1 / (n_classes - 1) times it to the others; one
  // output for two classes, twice the weight with the second class's sign (AdaBoost's SAMME).
  kSamme = 3,
  kWeightedMedian = 4,  // the weighted median of values (AdaBoostRegressor)
};

struct CombinedPart {
  uint32_t from = 0;
  // The combination's class that each of the part's classes is; empty: the same numbers.
  std::vector<uint32_t> places;
  double weight = 1;
};

struct CombineNode {
  Combination combination = Combination::kMeanProbability;
  // Answers are rounded to this type first and added in it.
  NumberType arithmetic = NumberType::kFloat64;
  uint32_t n_outputs = 1;
  double divisor = 1;
  std::vector<CombinedPart> parts;
};

// Numbers of classes become numbers: the label of each class.
struct LabelNode {
  uint32_t from = 0;
  std::vector<double> labels;
};

// One class where a number reaches a threshold, another one below it.
struct ThresholdNode {
  uint32_t from = 0;
  uint32_t column = 0;
  bool negated = false;  // the number's opposite is looked at
  double threshold = 0;
  uint32_t below = 0, reached = 1;
  uint32_t n_classes = 2;
};

// These numbers are stored in artifacts: append only.
enum class Function : uint8_t {
  kDouble = 0,  // the number as float64
  kShare = 1,   // x / sum(x) of each row, added in order; as it is where the sum is 0
  kExp = 2,
  kExpm1 = 3,
  kSquare = 4,
  kSquareRoot = 5,
  kLog = 6,
  kLog1p = 7,
  kAffine = 8,  // x * factor, rounded, + summand
};

// A function of each number, in its own type.
struct MapNode {
  uint32_t from = 0;
  Function function = Function::kDouble;
  double factor = 1, summand = 0;  // kAffine
};

// Numbers are stored in artifacts: append only.
enum class Calibration : uint8_t {
  kSigmoid = 0,         // expit(-(a x + b))
  kIsotonic = 1,        // between points of a curve, flat beyond its ends
  kTemperature = 2,     // softmax of a x; of [-a x, a x] where there is one column
  kLogTemperature = 3,  // the same of log(x + 1e-12): x are probabilities
};

struct CalibrationCurve {
  uint32_t place = 0;  // the class that it is of
  double a = 1, b = 0;
  NumberType arithmetic = NumberType::kFloat64;  // kIsotonic: of the points
  std::vector<double> x, y;                      // kIsotonic: ascending, as many
};

// Scores become probabilities of n_classes classes: each column by its curve, then shares of their
// sum (equal ones where it is 0); with two classes the second's curve alone, and the rest.
struct CalibrateNode {
  uint32_t from = 0;
  Calibration calibration = Calibration::kSigmoid;
  uint32_t n_classes = 2;
  std::vector<CalibrationCurve> curves;  // one a column; kTemperature: one
};

// One classifier for each pair of classes (0, 1), (0, 2) ... (1, 2) ...: votes, and what breaks
// their ties (OneVsOneClassifier). With two classes the score of the second.
struct PairwiseVotesNode {
  uint32_t n_classes = 2;
  // Per pair the node of the class that it says, 0 or 1, and behind them that of its confidence.
  std::vector<uint32_t> from;
};

// One binary classifier for each bit of a class's code: the class whose code is nearest to their
// scores (OutputCodeClassifier). Its columns are 2 s.c - |c|^2 of each class's code c: the square
// of the distance turned round, without |s|^2, which is the same for all.
struct NearestCodeNode {
  uint32_t from = 0;
  uint32_t n_classes = 0;
  std::vector<double> codes;  // n_classes rows of as many columns as `from` has
};

// Artifacts store the place of a node's kind in this list: append only.
using GraphNode =
    std::variant<InputNode, SelectNode, JoinNode, ScoreNode, CombineNode, LabelNode, ThresholdNode,
                 MapNode, CalibrateNode, PairwiseVotesNode, NearestCodeNode>;

enum class ColumnType : uint8_t {
  kFloat32 = 0,
  kFloat64 = 1,
  kAsGiven = 2,  // of the input's rows, whichever that is
  kClass = 3,    // numbers of classes, one column a target
};

struct NodeShape {
  uint32_t columns = 0;
  ColumnType type = ColumnType::kFloat64;
  // Classes that a single kClass column chooses among, or that the columns are probabilities of.
  uint32_t classes = 0;
  std::vector<uint32_t> targets = {};  // classes of each kClass column, where there are several
  bool reads_input = false;            // columns of the input are among its own
  uint32_t views = 0;                  // selections and joins above what is the input or computed
};

inline constexpr uint32_t kNoNode = UINT32_MAX;
inline constexpr size_t kGraphDepthMax = 16;   // graphs within graphs
inline constexpr uint32_t kGraphViewsMax = 8;  // selections and joins of each other
inline constexpr size_t kGraphNodesMax = size_t{1} << 17;
// Columns of all nodes together that no list in the file pays for.
inline constexpr size_t kGraphGrowthMax = size_t{1} << 24;

// Which nodes answer. The scores are what predict_raw gives. Without a node for them, values and
// classes are what the description's Output makes of the scores.
struct GraphAnswers {
  uint32_t scores = 0;
  uint32_t values = kNoNode;
  uint32_t classes = kNoNode;
};

class Graph {
 public:
  const std::vector<GraphNode>& nodes() const { return nodes_; }
  const NodeShape& shape(uint32_t node) const { return shapes_[node]; }
  const GraphAnswers& answers() const { return answers_; }
  uint32_t n_features() const { return shapes_[0].columns; }
  uint32_t n_outputs() const { return shapes_[answers_.scores].columns; }
  NumberType score_type() const { return static_cast<NumberType>(shapes_[answers_.scores].type); }
  size_t depth() const { return depth_; }  // 1, and graphs within its models
  // The input's column that each column of a node is, kNoNode where it is computed.
  std::vector<uint32_t> origins(uint32_t node) const;
  // The models of its nodes, in order.
  std::vector<const ScoreNode*> scorers() const;

 private:
  friend class GraphBuilder;
  Graph() = default;
  std::vector<GraphNode> nodes_;
  std::vector<NodeShape> shapes_;
  GraphAnswers answers_;
  size_t depth_ = 1;
};

class GraphBuilder {
 public:
  // The number of the node, or what is wrong with it: it reads what does not come before it or does
  // not exist, columns and classes do not fit, it has no model, graphs nest deeper than
  // kGraphDepthMax, there are more nodes than kGraphNodesMax or more columns than kGraphGrowthMax.
  Result<uint32_t> add(GraphNode node);
  const NodeShape& shape(uint32_t node) const { return graph_.shapes_[node]; }
  const std::vector<GraphNode>& nodes() const { return graph_.nodes_; }
  // Refuses answers of nodes that do not exist or are not computed, and nodes that nothing reads.
  Result<GraphPtr> finish(GraphAnswers answers) &&;

 private:
  Graph graph_;
  size_t growth_ = 0;
};

// Calls visit(number of a node) for each that the node reads, in order.
template <typename Visit>
void for_each_read(const GraphNode& node, Visit&& visit) {
  std::visit(
      [&](const auto& kind) {
        if constexpr (requires { kind.parts; })
          for (const auto& part : kind.parts) visit(part.from);
        else if constexpr (requires { kind.from.size(); })
          for (const uint32_t from : kind.from) visit(from);
        else if constexpr (requires { kind.from; })
          visit(kind.from);
      },
      node);
}

}  // namespace spinney
