// The loops over arrays, once per instruction set; the scalar ones are the oracle of the others.
//
// All sets give the same bits. Arrays need no alignment. `out` may not overlap the input.
#pragma once

#include <string_view>
#include <vector>

#include "spinney/cpu/features.h"
#include "spinney/quantize/affine.h"

namespace spinney::quantize {

struct Kernels {
  std::string_view name;
  cpu::Isa isa;
  // codes of n values; `out` has elements of the storage.
  Outside (*quantize)(const float* x, size_t n, const Affine& affine, Storage storage, void* out);
  Outside (*quantize_each)(const float* x, size_t n, const AffineEach& affine, Storage storage,
                           void* out);
  // (code - zero) * scale.
  void (*dequantize)(const void* codes, size_t n, const Affine& affine, Storage storage,
                     float* out);
  void (*dequantize_each)(const void* codes, size_t n, const AffineEach& affine, Storage storage,
                          float* out);
  Range (*range)(const float* x, size_t n);
  // IEEE binary16: to nearest, ties to even; beyond 65,504 it rounds to infinity.
  // Counts NaN and infinities in x.
  Outside (*to_half)(const float* x, size_t n, uint16_t* out);
  void (*from_half)(const uint16_t* x, size_t n, float* out);
};

// What the CPU, and SPINNEY_ISA, allow: the best set; and all, the scalar one last.
const Kernels& kernels();
std::vector<const Kernels*> all_kernels();

// Widens this range to hold the other.
Range merge(const Range& a, const Range& b, size_t finite_a, size_t finite_b);

}  // namespace spinney::quantize
