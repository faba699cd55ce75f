// Ranking in AVX2 (cpu::Isa::kAvx2 and better): blocks of rows to columns of bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spinney/rank/view.h"

namespace spinney::rank::avx2 {

// AVX2 compares bytes as signed only, so that ranks are XORed with this.
inline constexpr uint8_t kFlip = 128;

// Ranks of rows [first, first + n), n <= 64, as columns of 64 bytes: columns[64 * c + i] is row i's
// rank in column c, XORed with kFlip; those of rows beyond n are unspecified.
void rank_block(const View& view, const Rows& rows, size_t first, size_t n, uint8_t* columns);

}  // namespace spinney::rank::avx2
