#include "spinney/prepare/moments.h"

#include <algorithm>
#include <limits>

#include "spinney/prepare/tile.h"

namespace spinney::prepare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Moments of blocks that wait to be joined: so many numbers of each kind at most.
constexpr size_t kWaiting = size_t{1} << 16;

// Chan's rule for two groups of values. The first may be empty, the second not.
void join(double& count, double& mean, double& m2, double other, double other_mean,
          double other_m2) {
  if (count == 0) {
    count = other;
    mean = other_mean;
    m2 = other_m2;
    return;
  }
  const double sum = count + other;
  const double apart = other_mean - mean;
  mean += apart * (other / sum);
  m2 += other_m2 + apart * apart * (count * (other / sum));
  count = sum;
}

template <typename T>
bool directly_readable(const Rows& rows) {
  const auto size = static_cast<ptrdiff_t>(sizeof(T));
  return rows.column_stride == size && rows.row_stride % size == 0 &&
         reinterpret_cast<uintptr_t>(rows.data) % sizeof(T) == 0;
}

template <typename T>
void add_typed(const Rows& rows, double low, double high, const Kernels& kernels, Moments& to) {
  if (directly_readable<T>(rows)) {
    kernels.moments(MomentSpan<T>{static_cast<const T*>(rows.data),
                                  rows.row_stride / static_cast<ptrdiff_t>(sizeof(T)), rows.count,
                                  rows.width, low, high},
                    to.block(0));
    return;
  }
  alignas(64) T tile[kTileValues];
  for_each_tile(rows.count, rows.width, [&](const TilePlace& place) {
    gather<T>(rows, place, tile);
    kernels.moments(MomentSpan<T>{tile, static_cast<ptrdiff_t>(place.columns), place.rows,
                                  place.columns, low, high},
                    to.block(place.column));
  });
}

}  // namespace

void run_serially(size_t parts, const std::function<void(size_t)>& run) {
  for (size_t part = 0; part < parts; ++part) run(part);
}

void ColumnMoments::add(double value, double times) {
  if (times == 0) return;
  min = count == 0 ? value : std::min(min, value);
  max = count == 0 ? value : std::max(max, value);
  join(count, mean, m2, times, value, 0);
}

Moments::Moments(size_t n)
    : count(n),
      mean(n),
      m2(n),
      min(n, kInfinity),
      max(n, -kInfinity),
      missing(n),
      positive(n),
      negative(n) {}

ColumnMoments Moments::column(size_t c) const {
  return {count[c], mean[c], m2[c], min[c], max[c], missing[c], positive[c], negative[c]};
}

BlockMoments Moments::block(size_t c) {
  return {count.data() + c, mean.data() + c,    m2.data() + c,       min.data() + c,
          max.data() + c,   missing.data() + c, positive.data() + c, negative.data() + c};
}

void Moments::merge(const Moments& later) {
  for (size_t c = 0; c < width(); ++c) {
    missing[c] += later.missing[c];
    positive[c] += later.positive[c];
    negative[c] += later.negative[c];
    if (later.count[c] == 0) continue;
    join(count[c], mean[c], m2[c], later.count[c], later.mean[c], later.m2[c]);
    min[c] = std::min(min[c], later.min[c]);
    max[c] = std::max(max[c], later.max[c]);
  }
}

void Moments::add(const Rows& rows, double low, double high, const Kernels& kernels) {
  if (rows.type == NumberType::kFloat32)
    add_typed<float>(rows, low, high, kernels, *this);
  else
    add_typed<double>(rows, low, high, kernels, *this);
}

void RunningMoments::add(const Rows& rows, const Parallel& parallel, const Kernels& kernels) {
  size_t first = 0;
  while (first < rows.count) {
    const size_t left = rows.count - first;
    if (open_rows_ == 0 && left >= kMomentRows) {
      const size_t whole = left / kMomentRows * kMomentRows;
      add_whole_blocks(rows.slice(first, whole), parallel, kernels);
      first += whole;
      continue;
    }
    const size_t n = std::min(left, kMomentRows - open_rows_);
    open_.add(rows.slice(first, n), low_, high_, kernels);
    open_rows_ += n;
    first += n;
    if (open_rows_ < kMomentRows) continue;
    whole_.merge(open_);
    open_ = Moments(rows.width);
    open_rows_ = 0;
  }
}

void RunningMoments::add_whole_blocks(const Rows& rows, const Parallel& parallel,
                                      const Kernels& kernels) {
  const size_t blocks = rows.count / kMomentRows;
  const size_t at_once = std::clamp<size_t>(kWaiting / rows.width, 1, blocks);
  for (size_t first = 0; first < blocks; first += at_once) {
    const size_t n = std::min(at_once, blocks - first);
    std::vector<Moments> waiting(n, Moments(rows.width));
    parallel(n, [&](size_t i) {
      waiting[i].add(rows.slice((first + i) * kMomentRows, kMomentRows), low_, high_, kernels);
    });
    for (const Moments& block : waiting) whole_.merge(block);
  }
}

void RunningMoments::merge(const RunningMoments& other) {
  whole_ = total();
  whole_.merge(other.total());
  open_ = Moments(whole_.width());
  open_rows_ = 0;
}

Moments RunningMoments::total() const {
  Moments sum = whole_;
  sum.merge(open_);
  return sum;
}

void RunningMoments::restore(Moments whole, Moments open, size_t open_rows) {
  whole_ = std::move(whole);
  open_ = std::move(open);
  open_rows_ = open_rows;
}

}  // namespace spinney::prepare
