// Trees whose splits test in ways of their own each (<, <=, >, >=, =, !=, membership) become trees
// of the canonical form, where one comparison serves all.
//
// A test for > is one for <= with its children exchanged, one for < is <= of the next number below,
// and equality takes two splits. Files may name a node as the child of several: each gets a copy of
// it, which the file's budget pays for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/forest.h"

namespace spinney::load {

enum class Test : uint8_t {
  kLeaf,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kOther,
  kIn
};

struct Branch {
  Test test = Test::kLeaf;   // kOther: unlike the threshold
  bool missing_yes = false;  // where NaN goes
  uint32_t feature = 0;
  uint32_t yes = 0, no = 0;  // within the tree's branches
  // kIn: a CategorySet's index; the categories it sends left are those that pass.
  double threshold = 0;
  std::vector<double> values = {};  // kLeaf: ForestSettings::leaf_width numbers
};

// The comparison that takes one split for each of most tests.
Comparison comparison_for(std::span<const std::vector<Branch>> trees);

// Appends the tree that begins with its first branch to parts, whose settings say the comparison,
// the type of input and the width of leaves. Leaves are numbered by their places among the
// branches. Refuses cycles, children that are none and what the budget in use does not pay for;
// branches that nothing leads to are left out. The caller keeps tree_target.
Status append_branches(std::span<const Branch> branches, const std::string& name,
                       ForestParts& parts);

}  // namespace spinney::load
