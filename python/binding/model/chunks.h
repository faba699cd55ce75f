// A long call in chunks of rows, between which signals are looked for, as Python itself looks only
// once the call has returned.
#pragma once

#include <Python.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "spinney/model/rows.h"

namespace spinney::binding {

// Python runs the handlers of signals on its main thread only; elsewhere there is nothing to see.
[[gnu::noinline]] inline bool on_main_thread() { return syscall(SYS_gettid) == getpid(); }

inline Rows part_of(const Rows& rows, size_t first, size_t count) {
  return rows.slice(first, count);
}
inline SparseRows part_of(const SparseRows& rows, size_t first, size_t count) {
  SparseRows part = rows;
  const size_t index_bytes = rows.index_type == IndexType::kInt32 ? 4 : 8;
  part.row_begin = static_cast<const char*>(rows.row_begin) + first * index_bytes;
  part.count = count;
  return part;
}

// step(rows, first) -> bool over all rows, from `chunk` of them at a time on, which becomes what
// takes about a quarter of a second. False with a Python error set.
template <typename Part, typename Step>
[[gnu::noinline]] bool in_chunks(const Part& rows, size_t first, size_t chunk, const Step& step) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kShort = std::chrono::milliseconds(125);
  constexpr auto kLong = std::chrono::milliseconds(500);
  for (size_t at = 0;;) {
    const size_t count = std::min(chunk, rows.count - at);
    const auto began = Clock::now();
    if (!step(part_of(rows, at, count), first + at)) return false;
    at += count;
    if (at == rows.count) return true;
    if (PyErr_CheckSignals() < 0) return false;
    const auto took = Clock::now() - began;
    if (took < kShort) chunk *= 2;
    if (took > kLong) chunk = std::max<size_t>(1, chunk / 2);
  }
}

}  // namespace spinney::binding
