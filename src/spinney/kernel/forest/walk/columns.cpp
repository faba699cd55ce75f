#include "spinney/kernel/forest/walk/columns.h"

#include <algorithm>
#include <cstring>

#include "spinney/kernel/forest/walk/keys.h"

namespace spinney::kernel::walk {
namespace {

// Keys of the two sides of a categorical split.
constexpr uint32_t kCategoryLeft = 1;
constexpr uint32_t kCategoryRight = 2;

template <typename Real>
Real load(const char* from) {
  Real value;  // callers' arrays need not be aligned
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

Columns::Identity Columns::identity(const Node& split) {
  const bool fixed = !split.is_categorical() && split.missing == MissingRule::kNanIsZero;
  const uint64_t left = fixed ? 0 : split.default_left();
  const uint64_t rule = split.is_categorical() ? 3 : static_cast<uint64_t>(split.missing);
  const uint64_t set = split.is_categorical() ? split.category_set() + uint64_t{1} : 0;
  return {uint64_t{split.feature} << 3 | rule << 1 | left, set};
}

Columns::Columns(const Forest& forest) : forest_(forest) {
  std::vector<Column> found;
  for (const Node& node : forest.nodes) {
    if (node.is_leaf()) continue;
    if (!numbers_.try_emplace(identity(node), static_cast<uint32_t>(found.size())).second) continue;
    found.push_back({node.feature, node.default_left(), node.is_categorical(), node.missing, node});
  }
  const auto special = [](const Column& c) { return c.categorical || c.rule != MissingRule::kNan; };
  std::sort(found.begin(), found.end(), [&](const Column& a, const Column& b) {
    if (special(a) != special(b)) return special(b);
    return a.feature < b.feature;
  });
  columns_.reserve(found.size() + 1);
  columns_.push_back({});
  for (const Column& column : found) {
    numbers_[identity(column.split)] = static_cast<uint32_t>(columns_.size());
    columns_.push_back(column);
    if (!special(column)) first_special_ = columns_.size();
  }
}

size_t Columns::fullest_bucket() const {
  size_t fullest = 0;
  for (size_t b = 0; b < numbers_.bucket_count(); ++b)
    fullest = std::max(fullest, numbers_.bucket_size(b));
  return fullest;
}

template <typename Key>
Key Columns::last_left(const Node& split) const {
  if (split.is_categorical()) return kCategoryLeft;
  return last_left_key<Key>(split.threshold, forest_.settings().comparison);
}

template <typename Key, typename Real>
void Columns::fill_special(const Column& column, const char* from, ptrdiff_t step, size_t n,
                           Key* to) const {
  const bool narrow = forest_.settings().input == NumberType::kFloat32;
  const Key missing = column.missing_left ? kMissingLeft<Key> : kMissingRight<Key>;
  for (size_t i = 0; i < n; ++i, from += step) {
    auto value = static_cast<double>(load<Real>(from));
    if (narrow) value = static_cast<double>(static_cast<float>(value));
    if (column.categorical)
      to[i] = forest_.goes_left(column.split, value) ? kCategoryLeft : kCategoryRight;
    else if (column.rule == MissingRule::kNanIsZero)
      to[i] = key_of<Key>(std::isnan(value) ? 0 : static_cast<Number<Key>>(value));
    else if (std::isnan(value) || std::fabs(value) <= kZeroThreshold)
      to[i] = missing;
    else
      to[i] = key_of<Key>(static_cast<Number<Key>>(value));
  }
}

template <typename Key, typename Real>
void Columns::fill_from(const Rows& rows, size_t first, size_t n, size_t stride, Key* keys) const {
  const bool narrow = forest_.settings().input == NumberType::kFloat32;
  const char* data = rows.row(first);
  // Also where there is no row: walks there must end as well, wherever they go before.
  std::fill_n(keys, stride, kMissingLeft<Key>);
  for (size_t c = 1; c < first_special_; ++c) {
    const Column& column = columns_[c];
    const char* from = data + static_cast<ptrdiff_t>(column.feature) * rows.column_stride;
    const Key missing = column.missing_left ? kMissingLeft<Key> : kMissingRight<Key>;
    Key* to = keys + c * stride;
    for (size_t i = 0; i < n; ++i, from += rows.row_stride) {
      auto value = static_cast<Number<Key>>(load<Real>(from));
      if (sizeof(Key) == 8 && narrow) value = static_cast<float>(value);
      to[i] = value != value ? missing : key_of<Key>(value);
    }
  }
  for (size_t c = first_special_; c < columns_.size(); ++c) {
    const Column& column = columns_[c];
    const char* from = data + static_cast<ptrdiff_t>(column.feature) * rows.column_stride;
    fill_special<Key, Real>(column, from, rows.row_stride, n, keys + c * stride);
  }
}

template <typename Key>
void Columns::fill(const Rows& rows, size_t first, size_t n, size_t stride, Key* keys) const {
  if (rows.type == NumberType::kFloat32)
    fill_from<Key, float>(rows, first, n, stride, keys);
  else
    fill_from<Key, double>(rows, first, n, stride, keys);
}

template uint32_t Columns::last_left(const Node&) const;
template uint64_t Columns::last_left(const Node&) const;
template void Columns::fill(const Rows&, size_t, size_t, size_t, uint32_t*) const;
template void Columns::fill(const Rows&, size_t, size_t, size_t, uint64_t*) const;

}  // namespace spinney::kernel::walk
