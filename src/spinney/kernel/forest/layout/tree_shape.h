// What layouts need to know of a forest's trees: depth, size, and their order by output.
#pragma once

#include <cstdint>
#include <vector>

#include "spinney/model/forest.h"

namespace spinney::kernel {

struct TreeShape {
  uint32_t leaves = 0;
  uint32_t depth = 0;  // 0: a single leaf
};

TreeShape shape_of(std::span<const Node> tree);

// The node whose test all nodes of a level share, level by level, where every leaf of the tree lies
// below as many levels (CatBoost's symmetric trees); none where they do not, or beyond depth_max.
std::vector<const Node*> level_tests(std::span<const Node> tree, size_t depth_max);

// Trees by output, those of one output in their own order: sums of different outputs are
// independent, so that their trees need not alternate.
std::vector<uint32_t> trees_by_output(const Forest& forest);

// Whether room for 64 leaves a tree, which layouts round up to, is in proportion to the forest:
// thousands of outputs and trees of two leaves would multiply a model's size. kUnsupported if not.
Status check_padding(const Forest& forest);

}  // namespace spinney::kernel
