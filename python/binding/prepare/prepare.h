// The preprocessor's programs and statistics as Python holds them; spinney.preprocessing wraps
// them.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "spinney/prepare/prepare.h"

namespace spinney::binding {

// What transform_small() did, for get_performance_metrics().
struct SmallCounts {
  SmallCounts() = default;
  SmallCounts(const SmallCounts&) {}  // of another program: begins anew
  void add(uint64_t n, std::chrono::nanoseconds spent) {
    calls.fetch_add(1, std::memory_order_relaxed);
    rows.fetch_add(n, std::memory_order_relaxed);
    ns.fetch_add(static_cast<uint64_t>(spent.count()), std::memory_order_relaxed);
  }
  std::atomic<uint64_t> calls{0}, rows{0}, ns{0};
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
