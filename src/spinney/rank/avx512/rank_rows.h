// Ranking in AVX-512 (cpu::Isa::kAvx512 and better): rows to ranks, and blocks of rows to columns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spinney/rank/view.h"

namespace spinney::rank::avx512 {

// Ranks of row r: writes n_columns bytes.
void rank_row(const View& view, const Rows& rows, size_t r, uint8_t* ranks);

// Ranks of rows [first, first + n), n <= 64, as columns of 64 bytes: columns[64 * c + i] is row i's
// rank in column c; those of rows beyond n are unspecified.
void rank_block(const View& view, const Rows& rows, size_t first, size_t n, uint8_t* columns);

}  // namespace spinney::rank::avx512
