// View: what vector code needs of a Ranker, as plain pointers, made once at load.
#pragma once

#include <cstdint>

#include "spinney/rank/ranker.h"

namespace spinney::rank {

// Tables (ranker.h) as plain pointers.
template <typename Real>
struct TableView {
  const float *scale, *offset, *last_bucket;
  const uint32_t *first_bucket, *first_threshold, *base;
  const uint16_t* by_bits;
  const Real* thresholds;
};

struct View {
  explicit View(const Ranker& ranker);
  const Ranker* ranker;
  TableView<float> floats;
  TableView<double> doubles;
  const Source* sources;
  const Column* columns;
  const uint8_t* missing_ranks;
  const float* search_trees;
  uint32_t n_sources;
  uint32_t n_columns;
  bool compares_less, plain, contiguous, zero_rules, compares_doubles;
  bool loose_ends;  // sources found by bisection, or category columns
};

}  // namespace spinney::rank
