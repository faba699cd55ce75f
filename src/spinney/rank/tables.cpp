#include "spinney/rank/tables.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace spinney::rank {
namespace {

struct Map {
  bool by_bits = false;
  uint32_t buckets = 1;
  float scale = 0;
  float offset = 0;
  uint32_t bucket(float x) const {
    return bucket_of(x, by_bits, scale, offset, static_cast<float>(buckets - 1));
  }
};

// Maps the finite thresholds evenly onto the buckets.
template <typename Real>
Map make_map(std::span<const Real> thresholds, bool by_bits, uint32_t buckets) {
  float lo = std::numeric_limits<float>::infinity();
  float hi = -lo;
  for (const Real t : thresholds) {
    const float f = static_cast<float>(t);
    if (!std::isfinite(f)) continue;
    const float m = by_bits ? ordered_bits(f) : f;
    lo = std::min(lo, m);
    hi = std::max(hi, m);
  }
  Map map{by_bits, 1, 0, 0};
  if (!(lo < hi)) return map;
  const double scale = (buckets - 1.0) / (static_cast<double>(hi) - static_cast<double>(lo));
  const double offset = -static_cast<double>(lo) * scale + 0.5;
  // Infinity times a vanishing scale would be NaN and break the order.
  if (!(scale > 1e-37 && scale < 1e37 && std::fabs(offset) < 1e37)) return map;
  return {by_bits, buckets, static_cast<float>(scale), static_cast<float>(offset)};
}

// Thresholds in the fullest bucket.
template <typename Real>
size_t fullest_bucket(std::span<const Real> thresholds, const Map& map) {
  size_t fullest = 0, count = 0;
  uint32_t current = 0;
  for (const Real t : thresholds) {
    const uint32_t bucket = map.bucket(static_cast<float>(t));
    count = bucket == current ? count + 1 : 1;
    current = bucket;
    fullest = std::max(fullest, count);
  }
  return fullest;
}

template <typename Real>
Map choose_map(std::span<const Real> thresholds) {
  if (thresholds.size() <= kWindow) return {};
  for (const uint32_t buckets : {64u, 256u, 1024u, 4096u})
    for (const bool by_bits : {false, true}) {
      const Map map = make_map(thresholds, by_bits, buckets);
      if (fullest_bucket(thresholds, map) <= kWindow) return map;
    }
  return {};
}

}  // namespace

float ordered_bits(float x) {
  const auto bits = std::bit_cast<int32_t>(x + 0.0f);
  return static_cast<float>(bits ^ ((bits >> 31) & 0x7fffffff));
}

template <typename Real>
void append_source(std::span<const Real> thresholds, Tables<Real>& tables) {
  const auto source = static_cast<uint32_t>(tables.scale.size());
  const Map map = choose_map(thresholds);
  if (map.buckets == 1 && thresholds.size() > kWindow) tables.searched.push_back(source);
  tables.scale.push_back(map.scale);
  tables.offset.push_back(map.offset);
  tables.last_bucket.push_back(static_cast<float>(map.buckets - 1));
  tables.first_bucket.push_back(static_cast<uint32_t>(tables.base.size()));
  tables.first_threshold.push_back(static_cast<uint32_t>(tables.thresholds.size()));
  if (source % 16 == 0) tables.by_bits.push_back(0);
  if (map.by_bits) tables.by_bits.back() |= static_cast<uint16_t>(1u << (source % 16));
  uint32_t below = 0;
  for (uint32_t bucket = 0; bucket < map.buckets; ++bucket) {
    while (below < thresholds.size() && map.bucket(static_cast<float>(thresholds[below])) < bucket)
      ++below;
    tables.base.push_back(tables.first_threshold.back() + below);
  }
  tables.thresholds.insert(tables.thresholds.end(), thresholds.begin(), thresholds.end());
  tables.thresholds.insert(tables.thresholds.end(), kWindow,
                           std::numeric_limits<Real>::quiet_NaN());
}

template <typename Real>
void pad_sources(Tables<Real>& tables) {
  while (tables.scale.size() % 16 != 0) append_source(std::span<const Real>{}, tables);
}

template void append_source(std::span<const float>, Tables<float>&);
template void append_source(std::span<const double>, Tables<double>&);
template void pad_sources(Tables<float>&);
template void pad_sources(Tables<double>&);

}  // namespace spinney::rank
