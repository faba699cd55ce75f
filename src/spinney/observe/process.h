// What this process uses, as the kernel counts it: CPU time, memory, threads, descriptors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace spinney::observe {

struct ProcessUse {
  int64_t cpu_ns = 0;  // user and system time of all threads, ended ones included
  size_t resident_bytes = 0;
  size_t virtual_bytes = 0;
  size_t threads = 0;
  size_t descriptors = 0;
  size_t descriptors_max = 0;  // 0: no limit, or unknown
};

// Zeros where nothing says. About 50 us, most of it for counting descriptors.
ProcessUse read_process();

// The process's control group, version 1 or 2: what it may use and how often it was held back.
// Zeros where there is none.
struct GroupUse {
  double cpus = 0;              // group_quota(): the smallest up to the root; 0: none
  int64_t cpu_ns = 0;           // used by all processes of the group
  uint64_t periods = 0;         // of the quota, so far
  uint64_t throttled = 0;       // periods in which it ran out
  int64_t throttled_ns = 0;     // time for which threads were held back
  size_t memory_bytes = 0;      // in use
  size_t memory_bytes_max = 0;  // 0: no limit
};

// `proc` and `sys` stand for /proc and /sys, for tests.
GroupUse read_group(const std::string& proc = "/proc", const std::string& sys = "/sys");

// CPU use between two readings, in percent of what the process may use.
class CpuMeter {
 public:
  // cpus: how many the process may use (cpu::usable_cpus(), or a quota such as 1.5).
  explicit CpuMeter(double cpus) : cpus_(cpus > 0 ? cpus : 1) {}
  // 0 at the first call, and where no time has passed since the last one that measured. Readings
  // closer than kShortest say what the last one said, since the kernel counts in ticks.
  double percent(int64_t now_ns, int64_t cpu_ns);

  static constexpr int64_t kShortest = 50'000'000;

 private:
  double cpus_;
  bool started_ = false;
  int64_t last_now_ns_ = 0, last_cpu_ns_ = 0;
  double last_percent_ = 0;
};

}  // namespace spinney::observe
