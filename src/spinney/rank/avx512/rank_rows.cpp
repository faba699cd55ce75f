#include "spinney/rank/avx512/rank_rows.h"

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

#include <cmath>

namespace spinney::rank::avx512 {
namespace {

// The sources that the vector code cannot rank, by plain code.
void tie_loose_ends(const View& view, const Rows& rows, size_t r, uint8_t* ranks) {
  const Ranker& ranker = *view.ranker;
  const bool doubles = view.compares_doubles && rows.type == NumberType::kFloat64;
  const auto rank_searched = [&](const auto& tables, auto zero) {
    using Real = decltype(zero);
    for (const uint32_t s : tables.searched) {
      const Source& source = ranker.sources()[s];
      auto value = static_cast<Real>(rows.at(r, source.feature));
      if (std::isnan(value)) {
        if (source.missing != MissingRule::kNanIsZero) continue;
        value = 0;
      }
      if (source.missing == MissingRule::kZeroOrNan &&
          std::fabs(static_cast<double>(value)) <= kZeroThreshold)
        continue;
      ranker.spread(source, ranker.rank_of(tables, s, value), false, ranks);
    }
  };
  if (doubles)
    rank_searched(ranker.double_tables(), double{});
  else
    rank_searched(ranker.float_tables(), float{});
  for (const CategorySource& source : ranker.category_sources()) {
    double value = rows.at(r, source.feature);
    if (!view.compares_doubles) value = static_cast<float>(value);
    ranks[source.column] =
        std::isnan(value) ? source.missing_rank : ranker.rank_category(source, value);
  }
}

// Ranks of the 16 sources from `first` on into the columns that they have.
void spread_vector(const View& view, size_t first, const uint32_t* found, uint32_t missing,
                   uint8_t* ranks) {
  const size_t end = first + 16 < view.n_sources ? first + 16 : view.n_sources;
  for (size_t s = first; s < end; ++s)
    view.ranker->spread(view.sources[s], found[s - first], missing >> (s - first) & 1, ranks);
}

}  // namespace

SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,popcnt")
namespace {

#define SPINNEY_INLINE inline __attribute__((always_inline))

// Positions in `base` of 16 values, by the map of ranker.h.
template <typename Real>
SPINNEY_INLINE __m512i buckets(const TableView<Real>& t, size_t first, __m512 x) {
  const uint32_t by_bits = t.by_bits[first / 16];
  if (by_bits) {
    const __m512i bits = _mm512_castps_si512(_mm512_add_ps(x, _mm512_setzero_ps()));
    const __m512i flip =
        _mm512_and_si512(_mm512_srai_epi32(bits, 31), _mm512_set1_epi32(0x7fffffff));
    x = _mm512_mask_cvtepi32_ps(x, static_cast<__mmask16>(by_bits), _mm512_xor_si512(bits, flip));
  }
  __m512 y = _mm512_fmadd_ps(x, _mm512_load_ps(t.scale + first), _mm512_load_ps(t.offset + first));
  y = _mm512_max_ps(y, _mm512_setzero_ps());  // NaN becomes 0
  y = _mm512_min_ps(y, _mm512_load_ps(t.last_bucket + first));
  return _mm512_add_epi32(_mm512_cvttps_epi32(y), _mm512_load_si512(t.first_bucket + first));
}

// Thresholds of the window from `at` on that x passes.
template <bool kLess>
SPINNEY_INLINE uint32_t passed(const float* at, float x) {
  const __m512 window = _mm512_loadu_ps(at);
  return static_cast<uint32_t>(__builtin_popcount(_cvtmask16_u32(
      _mm512_cmp_ps_mask(window, _mm512_set1_ps(x), kLess ? _CMP_LE_OQ : _CMP_LT_OQ))));
}
template <bool kLess>
SPINNEY_INLINE uint32_t passed(const double* at, double x) {
  constexpr int kHow = kLess ? _CMP_LE_OQ : _CMP_LT_OQ;
  const __m512d value = _mm512_set1_pd(x);
  const __mmask8 low = _mm512_cmp_pd_mask(_mm512_loadu_pd(at), value, kHow);
  const __mmask8 high = _mm512_cmp_pd_mask(_mm512_loadu_pd(at + 8), value, kHow);
  return static_cast<uint32_t>(__builtin_popcount(_cvtmask8_u32(low) | _cvtmask8_u32(high) << 8));
}

// A bit for each of n values that is missing by its source's rule. NaN that counts as zero becomes
// zero.
SPINNEY_INLINE uint32_t find_missing(const View& view, size_t first, float* values, size_t n) {
  uint32_t missing = 0;
  for (size_t i = 0; i < n; ++i) {
    const MissingRule rule = view.sources[first + i].missing;
    const bool nan = values[i] != values[i];
    if (rule == MissingRule::kNanIsZero) {
      if (nan) values[i] = 0;
    } else if (nan || (rule == MissingRule::kZeroOrNan &&
                       __builtin_fabsf(values[i]) <= static_cast<float>(kZeroThreshold))) {
      missing |= 1u << i;
    }
  }
  return missing;
}
SPINNEY_INLINE uint32_t find_missing(const View& view, size_t first, double* values, size_t n) {
  uint32_t missing = 0;
  for (size_t i = 0; i < n; ++i) {
    const MissingRule rule = view.sources[first + i].missing;
    const bool nan = values[i] != values[i];
    if (rule == MissingRule::kNanIsZero) {
      if (nan) values[i] = 0;
    } else if (nan ||
               (rule == MissingRule::kZeroOrNan && __builtin_fabs(values[i]) <= kZeroThreshold)) {
      missing |= 1u << i;
    }
  }
  return missing;
}

SPINNEY_INLINE __m512 as_floats(const float* values) { return _mm512_loadu_ps(values); }
SPINNEY_INLINE __m512 as_floats(const double* values) {
  const __m256 low = _mm512_cvtpd_ps(_mm512_loadu_pd(values));
  const __m256 high = _mm512_cvtpd_ps(_mm512_loadu_pd(values + 8));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
SPINNEY_INLINE uint32_t find_nan(const float* values) {
  const __m512 x = _mm512_loadu_ps(values);
  uint32_t bits = _cvtmask16_u32(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q));
  // Keeps the mask in a general register: when registers run out, gcc 12 spills a mask as two bytes
  // and reads four back.
  asm("" : "+r"(bits));
  return bits;
}
SPINNEY_INLINE uint32_t find_nan(const double* values) {
  const __m512d a = _mm512_loadu_pd(values), b = _mm512_loadu_pd(values + 8);
  return _cvtmask8_u32(_mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q)) |
         _cvtmask8_u32(_mm512_cmp_pd_mask(b, b, _CMP_UNORD_Q)) << 8;
}

// Ranks 16 sources from `first` on, of which n exist. Reads 16 values.
template <typename Real, bool kLess>
SPINNEY_INLINE void rank_16(const View& view, const TableView<Real>& t, size_t first, size_t n,
                            const Real* values, uint32_t missing, uint8_t* ranks) {
  alignas(64) uint32_t at[16];
  _mm512_store_si512(at, buckets(t, first, as_floats(values)));
  // Keeps the compiler from extracting the elements from the register, which is slower than loading
  // them from memory.
  asm volatile("" : "+m"(at));
  if (view.plain) {
    // Bytes are stored one by one: loading them as a vector right after would wait for the stores.
    for (size_t i = 0; i < n; ++i) {
      const uint32_t begin = t.base[at[i]];
      const uint32_t found =
          begin - t.first_threshold[first + i] + passed<kLess>(t.thresholds + begin, values[i]);
      ranks[first + i] = static_cast<uint8_t>(found);
    }
    for (; missing; missing &= missing - 1) {
      const size_t s = first + static_cast<size_t>(__builtin_ctz(missing));
      ranks[s] = view.missing_ranks[s];
    }
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    const uint32_t begin = t.base[at[i]];
    at[i] = begin - t.first_threshold[first + i] + passed<kLess>(t.thresholds + begin, values[i]);
  }
  spread_vector(view, first, at, missing, ranks);
}

template <typename Real, typename Given>
SPINNEY_INLINE void gather_16(const View& view, const char* row, ptrdiff_t stride, size_t first,
                              size_t n, Real* values) {
  for (size_t i = 0; i < n; ++i) {
    Given value;
    __builtin_memcpy(&value, row + static_cast<ptrdiff_t>(view.sources[first + i].feature) * stride,
                     sizeof value);
    values[i] = static_cast<Real>(value);
  }
}

template <typename Real, typename Given, bool kLess>
void rank_row_as(const View& view, const TableView<Real>& t, const char* row, ptrdiff_t stride,
                 uint8_t* ranks) {
  const bool direct = sizeof(Real) == sizeof(Given) && view.contiguous &&
                      stride == static_cast<ptrdiff_t>(sizeof(Given)) && !view.zero_rules &&
                      reinterpret_cast<uintptr_t>(row) % sizeof(Real) == 0;
  alignas(64) Real values[16] = {};
  size_t first = 0;
  if (direct)
    for (; first + 16 <= view.n_sources; first += 16) {
      const Real* at = reinterpret_cast<const Real*>(row) + first;
      rank_16<Real, kLess>(view, t, first, 16, at, find_nan(at), ranks);
    }
  for (; first < view.n_sources; first += 16) {
    const size_t n = view.n_sources - first < 16 ? view.n_sources - first : 16;
    gather_16<Real, Given>(view, row, stride, first, n, values);
    const uint32_t missing =
        view.zero_rules ? find_missing(view, first, values, n) : find_nan(values);
    rank_16<Real, kLess>(view, t, first, n, values, missing, ranks);
  }
}

template <bool kLess>
void rank_row_less(const View& view, const Rows& rows, const char* row, uint8_t* ranks) {
  if (rows.type == NumberType::kFloat32)
    rank_row_as<float, float, kLess>(view, view.floats, row, rows.column_stride, ranks);
  else if (view.compares_doubles)
    rank_row_as<double, double, kLess>(view, view.doubles, row, rows.column_stride, ranks);
  else
    rank_row_as<float, double, kLess>(view, view.floats, row, rows.column_stride, ranks);
}

}  // namespace

void rank_row(const View& view, const Rows& rows, size_t r, uint8_t* ranks) {
  const char* row =
      static_cast<const char*>(rows.data) + static_cast<ptrdiff_t>(r) * rows.row_stride;
  if (view.compares_less)
    rank_row_less<true>(view, rows, row, ranks);
  else
    rank_row_less<false>(view, rows, row, ranks);
  if (view.loose_ends) tie_loose_ends(view, rows, r, ranks);
}

#undef SPINNEY_INLINE
SPINNEY_TARGET_END

}  // namespace spinney::rank::avx512
