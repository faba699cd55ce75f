// The preprocessor's programs and statistics as Python holds them; spinney.preprocessing wraps
// them.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "spinney/prepare/prepare.h"

namespace spinney::binding {

// What transform_small() did since it was last asked, for get_performance_metrics().
class SmallCounts {
 public:
  static constexpr size_t kLatest = 1000;  // calls of which the time is kept
  struct Taken {
    uint64_t calls = 0, rows = 0, ns = 0;
    std::vector<uint64_t> latest_ns;  // of the latest calls, the last one at the end
  };

  SmallCounts() = default;
  SmallCounts(const SmallCounts&) {}  // of another program: begins anew
  void add(uint64_t n, std::chrono::nanoseconds spent) {
    const auto ns = static_cast<uint64_t>(spent.count());
    const uint64_t call = calls_.fetch_add(1, std::memory_order_relaxed);
    latest_ns_[call % kLatest].store(ns, std::memory_order_relaxed);
    rows_.fetch_add(n, std::memory_order_relaxed);
    ns_.fetch_add(ns, std::memory_order_relaxed);
  }
  Taken take() {
    Taken taken{calls_.exchange(0), rows_.exchange(0), ns_.exchange(0), {}};
    const uint64_t first = taken.calls > kLatest ? taken.calls - kLatest : 0;
    for (uint64_t call = first; call < taken.calls; ++call)
      taken.latest_ns.push_back(latest_ns_[call % kLatest].load(std::memory_order_relaxed));
    return taken;
  }

 private:
  std::atomic<uint64_t> calls_{0}, rows_{0}, ns_{0};
  std::array<std::atomic<uint64_t>, kLatest> latest_ns_{};
};

struct BoundProgram {
  std::shared_ptr<const prepare::Program> program;
  SmallCounts small = {};
};

struct BoundStatistics {
  prepare::Statistics statistics;
};

// Options by the names that spinney.preprocessing.options gives them. Raises what is wrong.
prepare::Options prepare_options(const nanobind::dict& values);
// Tables of a recipe as arrays, by name; those of absent steps are missing.
nanobind::dict recipe_dict(const prepare::Recipe& recipe);
nanobind::dict statistics_dict(const prepare::Statistics& statistics);

void define_prepare(nanobind::module_& m);

}  // namespace spinney::binding
