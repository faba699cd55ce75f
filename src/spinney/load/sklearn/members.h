// Members of scikit-learn's ensembles: read as models of their own, placed among the ensemble's
// columns and classes, and, where every one of them is a single tree, made one forest.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "spinney/load/estimator.h"
#include "spinney/model/ensemble.h"

namespace spinney::load {

// The records of `estimators_`, each described. Features come from `estimators_features_` where the
// ensemble has it. Member classes are not placed yet.
Result<std::vector<Member>> read_members(const Record& record, uint32_t n_features,
                                         DescribeContext& context);

// Sets each member's `classes`: its label's position among the ensemble's labels, or the label
// itself where members were trained on class numbers (ensemble == nullptr).
Status place_classes(std::vector<Member>& members, const Labels* ensemble, size_t n_classes);

// Whether every member is one decision tree of scikit-learn's.
bool are_trees(std::span<const Member> members);

// One forest of the members' trees, columns renumbered. write_leaf appends the values of the leaf
// whose own values are given; settings.leaf_width of them.
using LeafWriter = std::function<void(const Member& member, std::span<const double> own,
                                      std::vector<double>& out)>;
Result<Forest> join_trees(std::span<const Member> members, ForestSettings settings,
                          std::vector<double> tree_weights, const LeafWriter& write_leaf);

// float32 where every member answers in it, as numpy's result of them all would be.
NumberType common_type(std::span<const Member> members);

// What is missing or infinite for a member is so for all.
void inherit_refusals(std::span<const Member> members, DescriptionParts& description);

}  // namespace spinney::load
