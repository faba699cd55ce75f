#include "spinney/prepare/scalar/kernels.h"

namespace spinney::prepare::scalar {
namespace {

// One number as a vector of itself.
template <typename Number>
struct Single {
  using T = Number;
  using V = Number;
  using M = bool;
  static constexpr size_t kLanes = 1;
  static V load(const T* p) { return *p; }
  static V load_part(const T* p, size_t) { return *p; }
  static void store(T* p, V v) { *p = v; }
  static void store_part(T* p, V v, size_t) { *p = v; }
  static V set(T x) { return x; }
  static V add(V a, V b) { return a + b; }
  static V subtract(V a, V b) { return a - b; }
  static V multiply(V a, V b) { return a * b; }
  static V divide(V a, V b) { return a / b; }
  static M less(V a, V b) { return a < b; }
  static M equal(V a, V b) { return a == b; }
  static M is_nan(V a) { return a != a; }
  static V select(M m, V a, V b) { return m ? a : b; }
  static V widen_part(const float* p, size_t) { return static_cast<V>(*p); }
  static V widen_part(const double* p, size_t) { return static_cast<V>(*p); }
};
using Wide = Single<double>;

#include "spinney/prepare/body.inc"

}  // namespace

const Kernels kKernels{"scalar",
                       cpu::Isa::kScalar,
                       &transform_rows<Single<float>>,
                       &transform_rows<Single<double>>,
                       &transform_column<Single<float>>,
                       &transform_column<Single<double>>,
                       &add_rows<float>,
                       &add_rows<double>};

}  // namespace spinney::prepare::scalar
