// LanesLayout: a forest laid out for the kernel "lanes", which evaluates 64 trees at once for a
// single row: a lane is one of these trees.
//
// Trees of one output stand together in groups of 64. The top levels of a group's trees (all of
// them, up to kTopDepthMax) are perfect trees in heap order, transposed: position h holds the
// columns and the ranks of the 64 trees' nodes h. Where all nodes of a level ask the same, in all
// of a group's trees, a level has one position instead, and the top up to kLevelsMax of them.
// Deeper trees go on from where the top ends: all their remaining nodes are compared at once to a
// word of decisions, and a walk over it ends in a leaf.
//
// Refuses more than 256 columns, trees with more than 256 nodes below the top, linear leaves and
// medians.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "spinney/base/aligned.h"
#include "spinney/base/result.h"
#include "spinney/model/forest.h"
#include "spinney/rank/ranker.h"

namespace spinney::kernel {

inline constexpr size_t kTreeLanes = 64;
inline constexpr uint32_t kTopDepthMax = 6, kLevelsMax = 8;
inline constexpr size_t kLaneColumnsMax = 256;
inline constexpr size_t kWalkWordsMax = 4;

// A tree that goes on below the top. States are its nodes below the top, numbered within the group
// so that their low six bits say which of 64 decisions is theirs, and its leaves, which lead to
// themselves. Small trees share words of decisions, and their leaves come after all of those; a
// tree of several words begins with a word of its own, and its leaves follow.
struct LaneWalk {
  uint32_t lane = 0;
  uint32_t steps = 0;
  uint32_t words = 0;
  uint32_t first_state = 0;
  size_t tests = 0;  // into LanesLayout::tests: per word 64 columns, then 64 ranks
  size_t start = 0;  // into starts: the state that each end of the top leads to
};

struct LaneGroup {
  uint32_t target = 0;
  uint32_t tree_count = 0;
  uint32_t depth = 0;       // of the top
  bool by_levels = false;   // a position a level, the root's first
  size_t positions = 0;     // into tests: 2^depth - 1 times 64 columns, then 64 ranks
  size_t leaf_begin = 0;    // into leaf_begins: per lane, where its leaves begin in values
  uint32_t first_walk = 0;  // the walks of one word first, short ones before long ones
  uint32_t walk_count = 0;
  uint32_t narrow_count = 0;  // walks of one word
  size_t next = 0;            // into next: two states per state
};

struct LanesLayout {
  static Status check(const Forest& forest);
  static Result<std::unique_ptr<LanesLayout>> make(const Forest& forest,
                                                   const rank::Ranker& ranker);
  size_t bytes() const;

  std::vector<LaneGroup> groups;
  std::vector<LaneWalk> walks;
  AlignedVector<uint8_t> tests;
  AlignedVector<uint32_t> leaf_begins;
  std::vector<uint16_t> starts, next;
  // In the accumulator's type, leaf_width per leaf.
  std::vector<float> floats;
  std::vector<double> doubles;
  double position_count = 0, walk_steps = 0, walk_words = 0;  // for the cost model
};

}  // namespace spinney::kernel
