#include "spinney/kernel/forest/walk/leaves.h"

#include <bit>

#include "spinney/kernel/forest/scalar/reference.h"

namespace spinney::kernel::walk {
namespace {

// How leaves hold what they are worth. Each is one loop without a test inside.
enum class Kind { kInLeaf, kOne, kTwo, kMany, kLinear };

template <typename Packed>
Kind kind_of(const Forest& forest, const Layout<Packed>& layout) {
  if (layout.values_in_leaves) return Kind::kInLeaf;
  if (!forest.linear_leaves.empty()) return Kind::kLinear;
  if (forest.settings().leaf_width == 1) return Kind::kOne;
  return forest.settings().leaf_width == 2 ? Kind::kTwo : Kind::kMany;
}

template <Kind kKind, typename Packed, typename Real>
[[gnu::always_inline]] inline void add_leaf(const Forest& forest, const Layout<Packed>& layout,
                                            size_t t, uint32_t at, const Rows& rows, size_t r,
                                            Real* scores) {
  const auto payload = layout.leaf_payload(at);
  const double* values = layout.leaf_rows.data();
  if constexpr (kKind == Kind::kInLeaf) {
    if constexpr (sizeof(Packed) == 8)
      scores[forest.tree_target[t]] += static_cast<Real>(std::bit_cast<float>(payload));
    else
      scores[forest.tree_target[t]] += static_cast<Real>(std::bit_cast<double>(payload));
  } else if constexpr (kKind == Kind::kOne) {
    scores[forest.tree_target[t]] += static_cast<Real>(values[payload]);
  } else if constexpr (kKind == Kind::kTwo) {
    const double* pair = values + size_t{2} * payload;
    const Real first = scores[0] + static_cast<Real>(pair[0]);
    const Real second = scores[1] + static_cast<Real>(pair[1]);
    scores[0] = first;
    scores[1] = second;
  } else if constexpr (kKind == Kind::kMany) {
    const size_t width = forest.settings().leaf_width;
    const double* row = values + width * payload;
    for (size_t k = 0; k < width; ++k) scores[k] += static_cast<Real>(row[k]);
  } else {
    const size_t width = forest.settings().leaf_width;
    Real* to = scores + (width == 1 ? forest.tree_target[t] : 0);
    for (uint32_t k = 0; k < width; ++k)
      to[k] += static_cast<Real>(leaf_value(forest, static_cast<uint32_t>(payload), k, rows, r));
  }
}

// Calls f.template operator()<kKind, Real>() for the forest at hand.
template <typename Packed, typename Function>
void dispatch(const Forest& forest, const Layout<Packed>& layout, const Function& f) {
  const auto with_kind = [&]<typename Real>() {
    switch (kind_of(forest, layout)) {
      case Kind::kInLeaf:
        return f.template operator()<Kind::kInLeaf, Real>();
      case Kind::kOne:
        return f.template operator()<Kind::kOne, Real>();
      case Kind::kTwo:
        return f.template operator()<Kind::kTwo, Real>();
      case Kind::kMany:
        return f.template operator()<Kind::kMany, Real>();
      case Kind::kLinear:
        return f.template operator()<Kind::kLinear, Real>();
    }
  };
  if (forest.settings().accumulator == NumberType::kFloat32)
    with_kind.template operator()<float>();
  else
    with_kind.template operator()<double>();
}

}  // namespace

template <typename Packed>
void add_leaves(const Forest& forest, const Layout<Packed>& layout, size_t t, const uint32_t* at,
                const Part& part, Scores scores) {
  dispatch(forest, layout, [&]<Kind kKind, typename Real>() {
    Real* to = static_cast<Real*>(scores.data) + part.first * scores.row_stride;
    for (size_t i = 0; i < part.count; ++i, to += scores.row_stride)
      add_leaf<kKind>(forest, layout, t, at[i], *part.rows, part.first + i, to);
  });
}

template <typename Packed>
void add_trees(const Forest& forest, const Layout<Packed>& layout, size_t t, size_t n,
               const uint32_t* at, const Part& part, Scores scores) {
  dispatch(forest, layout, [&]<Kind kKind, typename Real>() {
    Real* to = static_cast<Real*>(scores.data) + part.first * scores.row_stride;
    for (size_t i = 0; i < n; ++i)
      add_leaf<kKind>(forest, layout, t + i, at[i], *part.rows, part.first, to);
  });
}

template void add_leaves(const Forest&, const Layout<Narrow>&, size_t, const uint32_t*, const Part&,
                         Scores);
template void add_leaves(const Forest&, const Layout<Wide>&, size_t, const uint32_t*, const Part&,
                         Scores);
template void add_trees(const Forest&, const Layout<Narrow>&, size_t, size_t, const uint32_t*,
                        const Part&, Scores);
template void add_trees(const Forest&, const Layout<Wide>&, size_t, size_t, const uint32_t*,
                        const Part&, Scores);

}  // namespace spinney::kernel::walk
