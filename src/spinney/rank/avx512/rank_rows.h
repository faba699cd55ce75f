// Ranking in AVX-512 (cpu::Isa::kAvx512 and better): rows to ranks, and blocks of rows to columns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spinney/rank/ranker.h"

namespace spinney::rank::avx512 {

// What the code below needs of a Ranker, as plain pointers, made once at load.
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

// Ranks of row r: writes n_columns bytes.
void rank_row(const View& view, const Rows& rows, size_t r, uint8_t* ranks);

// Ranks of rows [first, first + n), n <= 64, as columns of 64 bytes: columns[64 * c + i] is row i's
// rank in column c; those of rows beyond n are unspecified. `rows_scratch` is 64-byte aligned and
// holds 64 * row_pitch(n_columns) bytes.
void rank_block(const View& view, const Rows& rows, size_t first, size_t n, uint8_t* rows_scratch,
                uint8_t* columns);
// The same, one row after another: for values compared as doubles.
void rank_block_by_rows(const View& view, const Rows& rows, size_t first, size_t n,
                        uint8_t* rows_scratch, uint8_t* columns);
// Bytes from a row's ranks to the next in rows_scratch.
inline size_t row_pitch(size_t n_columns) { return (n_columns + 63) / 64 * 64; }

}  // namespace spinney::rank::avx512
