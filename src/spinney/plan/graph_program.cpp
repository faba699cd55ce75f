#include "spinney/plan/graph_program.h"

#include <algorithm>
#include <map>
#include <utility>

namespace spinney::plan {
namespace {

// What is added part by part, so that parts need not wait for each other.
bool is_sum(const GraphNode& node) {
  const auto* combine = std::get_if<CombineNode>(&node);
  return combine && combine->combination != Combination::kWeightedMedian;
}

bool is_computed(const GraphNode& node) {
  return !std::holds_alternative<InputNode>(node) && !std::holds_alternative<SelectNode>(node);
}

std::vector<bool> needed_nodes(const Graph& graph, uint8_t asked) {
  std::vector<bool> needed(graph.nodes().size(), false);
  const GraphAnswers& answers = graph.answers();
  if (asked & kAsksScores) needed[answers.scores] = true;
  if (asked & kAsksValues) needed[answers.values] = true;
  if (asked & kAsksClasses) needed[answers.classes] = true;
  for (size_t i = needed.size(); i-- > 0;)
    if (needed[i]) for_each_read(graph.nodes()[i], [&](uint32_t from) { needed[from] = true; });
  return needed;
}

std::vector<uint32_t> find_leaders(const Graph& graph, const std::vector<bool>& needed) {
  std::map<std::pair<uint32_t, const Description*>, std::pair<uint32_t, unsigned>> groups;
  std::vector<uint32_t> leaders(graph.nodes().size(), kNoNode);
  for (uint32_t i = 0; i < leaders.size(); ++i) {
    leaders[i] = i;
    const auto* score = std::get_if<ScoreNode>(&graph.nodes()[i]);
    if (!score || !needed[i]) continue;
    const unsigned answer = 1u << static_cast<unsigned>(score->answer);
    const auto [group, is_new] = groups.try_emplace({score->from, score->model.get()}, i, 0u);
    auto& [leader, answers] = group->second;
    if (answers & answer) group->second = {i, 0u};
    leaders[i] = leader;
    answers |= answer;
  }
  return leaders;
}

std::vector<GraphStep> order_steps(const Graph& graph, const std::vector<bool>& needed,
                                   const std::vector<uint32_t>& leaders) {
  using Kind = GraphStep::Kind;
  const auto& nodes = graph.nodes();
  std::vector<std::vector<uint32_t>> sums(nodes.size());  // that have the node as a part
  for (uint32_t i = 0; i < nodes.size(); ++i)
    if (needed[i] && is_sum(nodes[i]))
      for (const CombinedPart& part : std::get<CombineNode>(nodes[i]).parts)
        if (sums[part.from].empty() || sums[part.from].back() != i) sums[part.from].push_back(i);
  std::vector<uint32_t> added(nodes.size(), 0);  // parts of each sum
  std::vector<GraphStep> steps;
  const auto add_those_before = [&](uint32_t sum, uint32_t behind) {
    const auto& parts = std::get<CombineNode>(nodes[sum]).parts;
    while (added[sum] < parts.size() && parts[added[sum]].from < behind)
      steps.push_back({Kind::kAdd, sum, added[sum]++});
  };
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    if (!needed[i]) continue;
    if (is_sum(nodes[i])) add_those_before(i, i);
    if (std::holds_alternative<CombineNode>(nodes[i]))
      steps.push_back({Kind::kFinish, i, 0});
    else if (is_computed(nodes[i]) && leaders[i] == i)
      steps.push_back({Kind::kRun, i, 0});
    for (const uint32_t sum : sums[i]) add_those_before(sum, i + 1);
  }
  return steps;
}

// Calls visit(node) for each whose memory the step reads.
template <typename Visit>
void for_each_memory(const Graph& graph, const GraphStep& step, Visit&& visit) {
  const GraphNode& node = graph.nodes()[step.node];
  if (step.kind == GraphStep::Kind::kAdd) {
    visit(shown_by(graph, std::get<CombineNode>(node).parts[step.part].from));
    return;
  }
  if (is_sum(node)) return;
  for_each_read(node, [&](uint32_t from) { visit(shown_by(graph, from)); });
}

// Memory of one node after another, each as long as something reads it.
class Places {
 public:
  uint32_t take(uint32_t words) {
    const auto found = free_.lower_bound(words);
    if (found != free_.end()) {
      const auto [room, place] = *found;
      free_.erase(found);
      rooms_[place] = room;
      return place;
    }
    const auto place = static_cast<uint32_t>(words_);
    rooms_[place] = words;
    words_ += words;
    return place;
  }
  void give_back(uint32_t place) { free_.emplace(rooms_[place], place); }
  size_t words() const { return words_; }

 private:
  std::multimap<uint32_t, uint32_t> free_;  // room to place
  std::map<uint32_t, uint32_t> rooms_;
  size_t words_ = 0;
};

}  // namespace

uint32_t shown_by(const Graph& graph, uint32_t node) {
  while (const auto* select = std::get_if<SelectNode>(&graph.nodes()[node])) node = select->from;
  return node;
}

GraphProgram make_program(const Graph& graph, uint8_t asked) {
  GraphProgram program;
  const std::vector<bool> needed = needed_nodes(graph, asked);
  program.leaders = find_leaders(graph, needed);
  program.steps = order_steps(graph, needed, program.leaders);
  program.places.assign(graph.nodes().size(), kNoNode);
  program.followers.resize(graph.nodes().size());
  for (uint32_t i = 0; i < needed.size(); ++i)
    if (program.leaders[i] != i) program.followers[program.leaders[i]].push_back(i);
  constexpr size_t kNever = SIZE_MAX;
  std::vector<size_t> last(graph.nodes().size(), kNever);  // step that reads it
  for (size_t s = 0; s < program.steps.size(); ++s)
    for_each_memory(graph, program.steps[s], [&](uint32_t node) { last[node] = s; });
  const GraphAnswers& answers = graph.answers();
  for (const uint32_t node : {answers.scores, answers.values, answers.classes})
    if (node != kNoNode) last[node] = kNever;
  Places places;
  for (size_t s = 0; s < program.steps.size(); ++s) {
    const GraphStep& step = program.steps[s];
    uint32_t& place = program.places[step.node];
    if (place == kNoNode) place = places.take(std::max(graph.shape(step.node).columns, 1u));
    for (const uint32_t follower : program.followers[step.node])
      program.places[follower] = places.take(std::max(graph.shape(follower).columns, 1u));
    for_each_memory(graph, step, [&](uint32_t node) {
      if (last[node] != s || program.places[node] == kNoNode) return;
      last[node] = kNever;  // a step may read it twice
      places.give_back(program.places[node]);
    });
  }
  program.words = places.words();
  return program;
}

}  // namespace spinney::plan
