// The kernel "lanes": evaluates 64 trees at once for one row, whose ranks lie in one to four
// registers. See layout/lanes_layout.h for the limits.
#pragma once

#include "spinney/kernel/forest/evaluator.h"
#include "spinney/kernel/forest/layout/lanes_layout.h"

namespace spinney::kernel {

Result<std::unique_ptr<ForestEvaluator>> make_lanes_avx512vbmi(const Forest& forest,
                                                               SharedTables& shared);

struct LanesView {
  const LaneGroup* groups;
  size_t group_count;
  const LaneWalk* walks;
  const uint8_t* tests;
  const uint32_t* leaf_begins;
  const uint16_t *starts, *next;
  const float* floats;
  const double* doubles;
  size_t leaf_width;
};

namespace avx512vbmi {
// Adds all trees' values for the row whose ranks these are, of which `registers` times 64 bytes are
// read (1, 2 or 4), to scores: floats, or doubles where the view has doubles.
void add_lanes(const LanesView& view, const uint8_t* ranks, size_t registers, float* scores);
void add_lanes(const LanesView& view, const uint8_t* ranks, size_t registers, double* scores);
}  // namespace avx512vbmi

}  // namespace spinney::kernel
