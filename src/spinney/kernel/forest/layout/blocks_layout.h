// BlocksLayout: a forest laid out for the kernel "blocks", which evaluates every node of a tree
// for 64 rows at once.
//
// Trees of one output stand together, cut into groups of at most kGroupTrees. Within a group a tree
// is either a table (all nodes of a level ask the same: one test a level), or perfect (padded to a
// full tree of its depth, nodes in heap order), or a program (one step per real node, children
// before parents); each leaves the number of each row's leaf, a byte, in the tree's result slot.
// Leaf values lie in byte planes: plane b of a tree holds byte b of the values of 64 leaves, so
// that one byte permutation per plane fetches for 64 rows.
//
// Refuses trees of more than 256 leaves, linear leaves and medians.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "spinney/base/aligned.h"
#include "spinney/base/result.h"
#include "spinney/model/forest.h"
#include "spinney/rank/ranker.h"

namespace spinney::kernel {

inline constexpr size_t kGroupTrees = 32;
inline constexpr int kPerfectDepthMax = 8;
// A slot is 64 bytes, one per row: results of a group's trees, then the constant numbers 0 to 255,
// then temporaries. Offsets of slots and columns are in units of 8 bytes.
inline constexpr size_t kFirstConstant = kGroupTrees;
inline constexpr size_t kFirstTemporary = kFirstConstant + 256;
// Programs run interleaved, some trees at a time, of which each needs at most 8 temporaries at
// once, and their bottoms some at a time.
inline constexpr size_t kInterleavedTrees = 16, kBottomsAtOnce = 16;
inline constexpr size_t kTemporarySlots = kInterleavedTrees * 8 + kBottomsAtOnce;
inline constexpr size_t kSlots = kFirstTemporary + kTemporarySlots;

// slot[to] = column >= rank ? slot[right] : slot[left], byte by byte.
struct Step {
  uint32_t ranks;  // the rank in each of four bytes, as a broadcast wants it
  uint16_t column, left, right, to;
};

// The lowest two levels of a program, below which there are only leaves: slot[to] is the number of
// the leaf. A child that is a leaf itself repeats the test of the node.
struct Bottom {
  uint32_t ranks[3];           // as in Step: of the node, then of its left and right child
  uint32_t left_at, right_at;  // first leaves of either side, in each of four bytes
  uint16_t columns[3], to;
};

constexpr int code_offset(size_t code_bytes) { return code_bytes == 1 ? 128 : 32768; }

// Where the pieces of a perfect tree of depth d lie: 2^d words of ranks, then 2^d columns. Node 0
// does not exist; its column holds the result slot.
constexpr size_t perfect_bytes(int depth) { return ((size_t{6} << depth) + 63) / 64 * 64; }

// A table: one test a level, the root's first.
struct LevelTests {
  uint32_t ranks[kPerfectDepthMax];  // as in Step
  uint16_t columns[kPerfectDepthMax];
  uint16_t to;
  uint16_t unused[7];
};
static_assert(sizeof(LevelTests) == 64);

struct LayoutOptions {
  // What nodes' ranks, and those of rows, are XORed with: 128 where bytes are compared as signed.
  uint8_t rank_flip = 0;
  // A program is used where its steps, each this many times the cost of a perfect tree's node, are
  // cheaper than padding.
  double step_cost = 2.2;
};

inline constexpr int kBottoms = -1, kSteps = 0, kTables = 16;
struct Segment {
  // Of `count` perfect trees; or `count` steps or bottoms of programs; kTables + the depth of
  // tables.
  int depth = kSteps;
  uint32_t count = 0;
  size_t begin = 0;  // in BlocksLayout::trees, steps or bottoms
};

struct Group {
  uint32_t target = 0;
  uint32_t first_tree = 0, tree_count = 0;  // in the order of layout
  uint32_t first_segment = 0, segment_count = 0;
};

// The leaf values of one tree: value_bytes planes of 64 * tables bytes for each of leaf_width, or
// code_bytes planes of unsigned codes.
struct Leaves {
  uint16_t tables = 1;    // 1, 2 or 4
  uint16_t sixteens = 1;  // 16 leaves each, the last of them perhaps less: 1 to 16
  size_t begin = 0;
};

struct BlocksLayout {
  // kUnsupported, with the reason, for forests that make() must not be given.
  static Status check(const Forest& forest);
  static std::unique_ptr<BlocksLayout> make(const Forest& forest, const rank::Ranker& ranker,
                                            const LayoutOptions& options);
  size_t bytes() const;

  std::vector<Group> groups;
  std::vector<Segment> segments;
  AlignedVector<uint8_t> trees;
  std::vector<Step> steps;
  std::vector<Bottom> bottoms;
  std::vector<Leaves> leaves;  // per tree
  // Leaf values that are small integers (a quantized forest's) lie in 1 or 2 bytes, more by
  // code_offset(), and are added as integers: sums are exact in any order. 0: values as they are.
  size_t code_bytes = 0;
  AlignedVector<uint8_t> planes;
  double nodes_evaluated = 0, planes_fetched = 0;  // for the cost model
  double sixteens_fetched = 0;                     // the same planes, by their pieces of 16 leaves
};

}  // namespace spinney::kernel
