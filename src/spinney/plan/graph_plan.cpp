#include "spinney/plan/graph_plan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <memory>

#include "spinney/plan/answers.h"
#include "spinney/plan/combine.h"
#include "spinney/plan/graph_columns.h"
#include "spinney/plan/merged_forests.h"
#include "spinney/plan/node_functions.h"

namespace spinney::plan {
namespace {

// What nodes compute for a block of rows stays in the caches; kernels are at their best well below
// so many rows.
constexpr size_t kBlockRowsMax = 2048;
constexpr size_t kBlockWords = size_t{1} << 17;
constexpr size_t kWordsAtHand = 512;  // on the stack

class GraphPlan final : public Plan {
 public:
  GraphPlan(std::shared_ptr<const Description> model,
            std::vector<std::shared_ptr<const Plan>> plans, std::vector<MergedForests> merged)
      : model_(std::move(model)),
        graph_(*std::get<GraphPtr>(model_->scorer)),
        plans_(std::move(plans)),
        merged_(std::move(merged)),
        merged_of_(graph_.nodes().size()) {
    for (const MergedForests& forests : merged_)
      for (const MergedForests::Member& member : forests.members)
        merged_of_[member.node] = {&forests, member.first};
    const GraphAnswers& answers = graph_.answers();
    const int known = kAsksScores | (answers.values == kNoNode ? 0 : kAsksValues) |
                      (answers.classes == kNoNode ? 0 : kAsksClasses);
    for (int asked = 1; asked < 8; ++asked)
      if ((asked & ~known) == 0)
        programs_[static_cast<size_t>(asked)] = make_program(graph_, static_cast<uint8_t>(asked));
  }

  void score(const Rows& rows, void* scores, unsigned num_threads) const override {
    answer(rows, {scores, nullptr, nullptr}, num_threads);
  }

  void answer(const Rows& rows, const Outputs& out, unsigned num_threads) const override {
    const int asked = (out.scores ? kAsksScores : 0) | (out.values ? kAsksValues : 0) |
                      (out.classes ? kAsksClasses : 0);
    const GraphProgram& program = programs_[static_cast<size_t>(asked)];
    const size_t at_once = block_rows(program);
    const size_t words = program.words * std::min(rows.count, at_once);
    double near[kWordsAtHand];
    const std::unique_ptr<double[]> far(words > kWordsAtHand ? new double[words] : nullptr);
    double* memory = far ? far.get() : near;
    for (size_t first = 0; first < rows.count; first += at_once)
      run(program, rows.slice(first, std::min(at_once, rows.count - first)), memory,
          behind(out, first), num_threads);
  }

  double cost_ns(size_t rows) const override {
    double total = 0;
    for_each_plan([&](const Plan& plan) { total += 100.0 + plan.cost_ns(rows); });
    return total;
  }

  std::vector<KernelChoice> choices() const override {
    std::vector<KernelChoice> choices{{1, "ensemble"}};
    for_each_plan([&](const Plan& plan) {
      for (const KernelChoice& choice : plan.choices())
        if (std::none_of(choices.begin(), choices.end(), [&](const KernelChoice& known) {
              return known.kernel == choice.kernel && known.rows == choice.rows;
            }))
          choices.push_back(choice);
    });
    std::stable_sort(choices.begin(), choices.end(),
                     [](const auto& a, const auto& b) { return a.rows < b.rows; });
    return choices;
  }

  size_t bytes() const override {
    size_t total = 0;
    for_each_plan([&](const Plan& plan) { total += plan.bytes(); });
    for (const GraphProgram& program : programs_)
      total += program.steps.size() * sizeof(GraphStep) + program.places.size() * 4;
    return total;
  }

 private:
  template <typename Visit>
  void for_each_plan(Visit&& visit) const {
    for (const auto& plan : plans_)
      if (plan) visit(*plan);
    for (const MergedForests& forests : merged_) visit(*forests.plan);
  }

  static size_t block_rows(const GraphProgram& program) {
    const size_t rows = std::min(kBlockRowsMax, kBlockWords / std::max<size_t>(program.words, 1));
    return rows < 64 ? std::max<size_t>(rows, 1) : rows / 64 * 64;
  }

  // Where the answers of the rows from `first` on go.
  Outputs behind(const Outputs& out, size_t first) const {
    const auto at = [&](void* data, uint32_t node) -> void* {
      if (!data) return nullptr;
      const NodeShape& shape = graph_.shape(node);
      const size_t bytes = shape.type == ColumnType::kFloat64 ? 8 : 4;
      return static_cast<char*>(data) + first * shape.columns * bytes;
    };
    const GraphAnswers& answers = graph_.answers();
    return {at(out.scores, answers.scores), at(out.values, answers.values),
            static_cast<int32_t*>(at(out.classes, answers.classes))};
  }

  void run(const GraphProgram& program, const Rows& rows, double* memory, const Outputs& out,
           unsigned num_threads) const {
    GraphColumns columns(graph_, program, rows, memory, out);
    std::vector<std::unique_ptr<double[]>> sums(merged_.size());
    for (const GraphStep& step : program.steps) {
      const GraphNode& node = graph_.nodes()[step.node];
      if (std::holds_alternative<ScoreNode>(node))
        run_score(columns, program, step.node, sums, num_threads);
      else if (const auto* join = std::get_if<JoinNode>(&node))
        columns.join(step.node, *join, model_->sums_stored_entries());
      else if (const auto* combine = std::get_if<CombineNode>(&node))
        run_combine(columns, step, *combine);
      else
        run_function(columns, step.node, node);
    }
    // Of a node that gives scores and values alike, the scores are what was computed.
    const GraphAnswers& answers = graph_.answers();
    if (out.scores && out.values && answers.scores == answers.values)
      std::memcpy(out.values, out.scores,
                  rows.count * graph_.n_outputs() * size_of(graph_.score_type()));
  }

  // What forests that are run as one have computed for this block.
  using Sums = std::vector<std::unique_ptr<double[]>>;

  void run_score(const GraphColumns& columns, const GraphProgram& program, uint32_t node,
                 Sums& sums, unsigned num_threads) const {
    const auto& score = std::get<ScoreNode>(graph_.nodes()[node]);
    const SeenColumns seen(graph_, columns, score.from, score.model->sums_stored_entries());
    if (const auto [forests, first] = merged_of_[node]; forests) {
      auto& numbers = sums[static_cast<size_t>(forests - merged_.data())];
      if (!numbers) {
        numbers.reset(new double[columns.count() * forests->n_outputs]);
        forests->plan->score(seen.rows(), numbers.get(), num_threads);
      }
      const MergedScores scores(*forests, numbers.get(), first, score.model->n_outputs());
      return answer({*score.model, scores, 1}, score.answer, seen.rows(), columns.memory(node));
    }
    const Answers answers{*score.model, *plans_[node], num_threads};
    if (!program.followers[node].empty()) {
      Answers::Several several;
      ask(several, score.answer, columns.memory(node));
      for (const uint32_t follower : program.followers[node])
        ask(several, std::get<ScoreNode>(graph_.nodes()[follower]).answer,
            columns.memory(follower));
      return answers.several(seen.rows(), several);
    }
    answer(answers, score.answer, seen.rows(), columns.memory(node));
  }

  static void answer(const Answers& answers, AnswerOf kind, const Rows& rows, void* out) {
    switch (kind) {
      case AnswerOf::kRaw:
        return answers.plan.score(rows, out, answers.num_threads);
      case AnswerOf::kValues:
        return answers.values(rows, out);
      case AnswerOf::kProbabilities:
        return answers.probabilities(rows, out);
      case AnswerOf::kClasses:
        return answers.classes(rows, static_cast<int32_t*>(out));
    }
  }

  static void ask(Answers::Several& several, AnswerOf answer, void* out) {
    if (answer == AnswerOf::kRaw) several.raw = out;
    if (answer == AnswerOf::kValues) several.values = out;
    if (answer == AnswerOf::kProbabilities) several.probabilities = out;
    if (answer == AnswerOf::kClasses) several.classes = static_cast<int32_t*>(out);
  }

  void run_function(const GraphColumns& columns, uint32_t number, const GraphNode& node) const {
    void* out = columns.memory(number);
    const auto seen = [&](uint32_t from) { return SeenColumns(graph_, columns, from, false); };
    if (const auto* label = std::get_if<LabelNode>(&node))
      return name_classes(*label, static_cast<const int32_t*>(columns.memory(label->from)),
                          columns.count(), static_cast<double*>(out));
    if (const auto* threshold = std::get_if<ThresholdNode>(&node))
      return decide(*threshold, seen(threshold->from).rows(), static_cast<int32_t*>(out));
    if (const auto* mapped = std::get_if<MapNode>(&node))
      return map(*mapped, seen(mapped->from).rows(), out);
    if (const auto* curves = std::get_if<CalibrateNode>(&node))
      return calibrate(*curves, seen(curves->from).rows(), static_cast<double*>(out));
    if (const auto* codes = std::get_if<NearestCodeNode>(&node))
      return compare_codes(*codes, seen(codes->from).rows(), static_cast<double*>(out));
    run_votes(columns, std::get<PairwiseVotesNode>(node), static_cast<double*>(out));
  }

  void run_votes(const GraphColumns& columns, const PairwiseVotesNode& node, double* out) const {
    std::vector<const int32_t*> says;
    std::deque<SeenColumns> seen;
    std::vector<Rows> confidences;
    for (size_t i = 0; i < node.from.size(); ++i) {
      if (i < node.from.size() / 2)
        says.push_back(static_cast<const int32_t*>(columns.memory(node.from[i])));
      else
        confidences.push_back(seen.emplace_back(graph_, columns, node.from[i], false).rows());
    }
    count_votes(node, says, confidences, columns.count(), out);
  }

  void run_combine(const GraphColumns& columns, const GraphStep& step,
                   const CombineNode& combine) const {
    const CombinedRows out{columns.memory(step.node), columns.count()};
    if (combine.combination == Combination::kWeightedMedian) {
      std::vector<const void*> parts;
      std::deque<SeenColumns> seen;
      std::vector<Rows> values;
      for (const CombinedPart& part : combine.parts)
        values.push_back(seen.emplace_back(graph_, columns, part.from, false).rows());
      return take_medians(combine, values, out);
    }
    if (step.kind == GraphStep::Kind::kFinish) return divide(combine, out);
    if (step.part == 0) clear(combine, out);
    const CombinedPart& part = combine.parts[step.part];
    if (graph_.shape(part.from).type == ColumnType::kClass)
      return add_votes(combine, part, static_cast<const int32_t*>(columns.memory(part.from)), out);
    const SeenColumns seen(graph_, columns, part.from, false);
    add_numbers(combine, part, seen.rows(), out);
  }

  std::shared_ptr<const Description> model_;
  const Graph& graph_;
  // Per node; null for those without a model, and those of forests that are run as one.
  std::vector<std::shared_ptr<const Plan>> plans_;
  std::vector<MergedForests> merged_;
  struct Merged {
    const MergedForests* forests = nullptr;
    size_t first = 0;  // the node's first score
  };
  std::vector<Merged> merged_of_;         // per node
  std::array<GraphProgram, 8> programs_;  // by GraphAsked
};

}  // namespace

Result<std::shared_ptr<const Plan>> make_graph_plan(std::shared_ptr<const Description> model,
                                                    Allowance& allowance) {
  const Graph& graph = *std::get<GraphPtr>(model->scorer);
  std::vector<MergedForests> merged = merge_forests(graph, allowance);
  std::vector<bool> has_plan(graph.nodes().size(), false);
  for (const MergedForests& forests : merged)
    for (const MergedForests::Member& member : forests.members) has_plan[member.node] = true;
  std::vector<std::shared_ptr<const Plan>> plans(graph.nodes().size());
  for (size_t i = 0; i < plans.size(); ++i) {
    const auto* score = std::get_if<ScoreNode>(&graph.nodes()[i]);
    if (!score || has_plan[i]) continue;
    SPINNEY_ASSIGN(plans[i], make_plan(score->model, allowance));
  }
  return std::shared_ptr<const Plan>(
      std::make_shared<GraphPlan>(std::move(model), std::move(plans), std::move(merged)));
}

}  // namespace spinney::plan
