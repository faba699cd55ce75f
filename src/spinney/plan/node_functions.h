// What nodes of a graph compute of other nodes' columns, over a block of rows.
#pragma once

#include <cstdint>
#include <vector>

#include "spinney/model/graph.h"
#include "spinney/model/rows.h"

namespace spinney::plan {

void name_classes(const LabelNode& node, const int32_t* classes, size_t rows, double* out);
void decide(const ThresholdNode& node, const Rows& numbers, int32_t* classes);
// out: of the numbers' type, or float64 for Function::kDouble.
void map(const MapNode& node, const Rows& numbers, void* out);
void calibrate(const CalibrateNode& node, const Rows& scores, double* out);
void compare_codes(const NearestCodeNode& node, const Rows& scores, double* out);
// says, confidences: of each pair of classes.
void count_votes(const PairwiseVotesNode& node, const std::vector<const int32_t*>& says,
                 const std::vector<Rows>& confidences, size_t rows, double* out);

}  // namespace spinney::plan
