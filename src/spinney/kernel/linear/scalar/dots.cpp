// For CPUs without fused multiplication: vectors of two that every x86-64 has, products split in
// the way of Dekker and Veltkamp. Numbers too large to be split become NaN and go to the exact sum.
#include "spinney/kernel/linear/scalar/dots.h"

#include <bit>

#include "spinney/kernel/linear/exact_dot.h"

namespace spinney::kernel::scalar {
namespace {

struct S {
  using V = double __attribute__((vector_size(16)));
  using I = uint64_t __attribute__((vector_size(16)));
  static constexpr size_t kLanes = 2;
  static V zero() { return V{0, 0}; }
  static V set(double x) { return V{x, x}; }
  static V load(const double* p) { return V{p[0], p[1]}; }
  static void store(double* p, V a) {
    p[0] = a[0];
    p[1] = a[1];
  }
  template <typename Number>
  static V widen(const Number* p) {
    return V{static_cast<double>(p[0]), static_cast<double>(p[1])};
  }
  template <typename Number>
  static V widen_part(const Number* p, size_t) {
    return V{static_cast<double>(p[0]), 0};
  }
  static V add(V a, V b) { return a + b; }
  static V subtract(V a, V b) { return a - b; }
  static V multiply(V a, V b) { return a * b; }
  static V multiply_add(V a, V b, V c) { return a * b + c; }
  static V size(V a) {
    return std::bit_cast<V>(std::bit_cast<I>(a) & I{0x7fffffffffffffff, 0x7fffffffffffffff});
  }
  static unsigned less(V a, V b) { return unsigned{a[0] < b[0]} | unsigned{a[1] < b[1]} << 1; }
  static unsigned equal(V a, V b) { return unsigned{a[0] == b[0]} | unsigned{a[1] == b[1]} << 1; }
  static V power_above(V a) {
    constexpr uint64_t kThree = uint64_t{3} << 52;
    return std::bit_cast<V>((std::bit_cast<I>(a) & I{0x7ff0000000000000, 0x7ff0000000000000}) +
                            I{kThree, kThree});
  }
  static V upper_half(V a) {
    const V scaled = a * set(0x1p27 + 1);
    return scaled - (scaled - a);
  }
  static void take(V v, V w, V* high, V* low) {
    const V product = v * w;
    const V a = upper_half(v), b = upper_half(w);
    const V c = v - a, d = w - b;
    const V error = c * d - (((product - a * b) - c * b) - a * d);
    const V moved = product + *high;
    *low += (product - (moved - *high)) + error;
    *high = moved;
  }
  static double sum(V a) { return a[0] + a[1]; }
  static V fold(const V* v) { return V{sum(v[0]), sum(v[1])}; }
};

#include "spinney/kernel/linear/body.inc"

}  // namespace

const Dots kDots{"scalar", cpu::Isa::kScalar, &doubles<double>, &doubles<float>, &floats};

}  // namespace spinney::kernel::scalar
