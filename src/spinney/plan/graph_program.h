// A graph's nodes as steps over a block of rows, with a place in the block's memory for what each
// of them computes. Made at load, for each set of answers that can be asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "spinney/model/graph.h"

namespace spinney::plan {

struct GraphStep {
  enum class Kind : uint8_t {
    kRun,     // compute the node
    kAdd,     // add a part of a combination to its sums, as soon as the part is there
    kFinish,  // divide the sums, or take the medians
  };
  Kind kind = Kind::kRun;
  uint32_t node = 0;
  uint32_t part = 0;  // kAdd
};

// Which of GraphAnswers are asked for, as bits.
enum GraphAsked : uint8_t { kAsksScores = 1, kAsksValues = 2, kAsksClasses = 4 };

struct GraphProgram {
  std::vector<GraphStep> steps;
  // Per node, in doubles per row: where its columns lie; kNoNode where it has none of its own.
  std::vector<uint32_t> places;
  size_t words = 0;  // doubles per row in all
  // Per node: the first of those that ask the same model about the same columns for different
  // answers, which it gets for all of them in one pass; itself where there is none.
  std::vector<uint32_t> leaders;
  std::vector<std::vector<uint32_t>> followers;  // of each leader, those that are run
};

// The node whose columns a node shows: itself, unless it selects.
uint32_t shown_by(const Graph& graph, uint32_t node);

// Only nodes that the answers depend on are run, each once, in the order of the graph; memory is
// used anew as soon as nothing reads it any more.
GraphProgram make_program(const Graph& graph, uint8_t asked);

}  // namespace spinney::plan
