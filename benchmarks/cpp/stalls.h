// What the machine itself took from a benchmark: gaps in a thread's own readings of the clock, and
// which requests were not touched by them.
//
// A thread that does nothing but read the clock sees a gap of more than kStallNs only where its
// core did other work. Between readings that have any of the engine's code between them no gap
// counts, so that nothing the engine does is put down to the machine; a core that is taken away
// then, or while a worker sleeps, is not seen, and stays in the figures.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace spinney::bench {

inline constexpr int64_t kStallNs = 100'000;

struct Interval {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t length() const { return end - begin; }
};

// One thread's stalls. Room is made beforehand: a stall beyond it is dropped, and counted.
class StallWatch {
 public:
  explicit StallWatch(size_t room = 1 << 16) { seen_.reserve(room); }

  // Forgets the last reading: what follows is not compared with what was before.
  void restart(int64_t now_ns) { last_ns_ = now_ns; }

  void read(int64_t now_ns) {
    if (now_ns - last_ns_ > kStallNs) {
      if (seen_.size() < seen_.capacity())
        seen_.push_back({last_ns_, now_ns});
      else
        ++dropped_;
    }
    last_ns_ = now_ns;
  }

  const std::vector<Interval>& seen() const { return seen_; }
  uint64_t dropped() const { return dropped_; }

 private:
  int64_t last_ns_ = 0;
  uint64_t dropped_ = 0;
  std::vector<Interval> seen_;
};

// The stalls of several threads, by time; those that overlap are one.
inline std::vector<Interval> united(std::vector<Interval> stalls) {
  std::sort(stalls.begin(), stalls.end(),
            [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  std::vector<Interval> all;
  for (const Interval& stall : stalls) {
    if (!all.empty() && stall.begin <= all.back().end)
      all.back().end = std::max(all.back().end, stall.end);
    else
      all.push_back(stall);
  }
  return all;
}

// The stalls (united), each with the time after it that a server with this load (below 1) needs on
// average until what came meanwhile is done: length * load / (1 - load). Where a stall begins
// before an earlier one's backlog is gone, the rest of that comes on top. No window depends on how
// long anything really took, so that slow answers can't leave themselves out.
inline std::vector<Interval> touched_by(const std::vector<Interval>& stalls, double load) {
  std::vector<Interval> windows;
  for (const Interval& stall : stalls) {
    const auto drain =
        static_cast<int64_t>(static_cast<double>(stall.length()) * load / (1 - load));
    if (!windows.empty() && stall.begin <= windows.back().end)
      windows.back().end = stall.end + (windows.back().end - stall.begin) + drain;
    else
      windows.push_back({stall.begin, stall.end + drain});
  }
  return windows;
}

// Whether a request that was due and answered at these times met none of the windows.
inline bool outside(const std::vector<Interval>& windows, const Interval& request) {
  const auto next =
      std::lower_bound(windows.begin(), windows.end(), request.begin,
                       [](const Interval& window, int64_t due) { return window.end < due; });
  return next == windows.end() || next->begin > request.end;
}

}  // namespace spinney::bench
