#include "spinney/observe/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "spinney/base/cgroup.h"
#include "spinney/base/text_file.h"

namespace spinney::observe {
namespace {

size_t count_entries(const char* folder) {
  DIR* directory = opendir(folder);
  if (!directory) return 0;
  size_t count = 0;
  while (const dirent* entry = readdir(directory)) count += entry->d_name[0] != '.';
  closedir(directory);
  return count > 0 ? count - 1 : 0;  // the one that this reading opened
}

// The folder of a group, or the hierarchy's root where the path is one that only the host sees.
std::string group_folder(const std::string& root, const std::string& path, const char* file) {
  const std::string folder = path == "/" ? root : root + path;
  return exists(folder + "/" + file) ? folder : root;
}

// A limit that is "max", or close to the largest number, is none.
size_t limit_of(const std::string& text) {
  const unsigned long long value = std::strtoull(text.c_str(), nullptr, 10);
  return value < (1ull << 60) ? static_cast<size_t>(value) : 0;
}

GroupUse read_version_2(const std::string& root, const std::string& path) {
  GroupUse use;
  const std::string cpu = group_folder(root, path, "cpu.stat");
  const std::string stat = read_text(cpu + "/cpu.stat");
  use.cpu_ns = static_cast<int64_t>(field_of(stat, "usage_usec")) * 1000;
  use.periods = field_of(stat, "nr_periods");
  use.throttled = field_of(stat, "nr_throttled");
  use.throttled_ns = static_cast<int64_t>(field_of(stat, "throttled_usec")) * 1000;
  const std::string memory = group_folder(root, path, "memory.current");
  use.memory_bytes = limit_of(read_text(memory + "/memory.current"));
  use.memory_bytes_max = limit_of(read_text(memory + "/memory.max"));
  return use;
}

GroupUse read_version_1(const std::string& root, const std::string& groups) {
  GroupUse use;
  const std::string cpu = group_folder(root + "/cpu", group_path(groups, "cpu"), "cpu.stat");
  const std::string stat = read_text(cpu + "/cpu.stat");
  use.periods = field_of(stat, "nr_periods");
  use.throttled = field_of(stat, "nr_throttled");
  use.throttled_ns = static_cast<int64_t>(field_of(stat, "throttled_time"));
  const std::string account =
      group_folder(root + "/cpuacct", group_path(groups, "cpuacct"), "cpuacct.usage");
  use.cpu_ns = std::strtoll(read_text(account + "/cpuacct.usage").c_str(), nullptr, 10);
  const std::string memory =
      group_folder(root + "/memory", group_path(groups, "memory"), "memory.usage_in_bytes");
  use.memory_bytes = limit_of(read_text(memory + "/memory.usage_in_bytes"));
  use.memory_bytes_max = limit_of(read_text(memory + "/memory.limit_in_bytes"));
  return use;
}

}  // namespace

ProcessUse read_process() {
  ProcessUse use;
  timespec time{};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0)
    use.cpu_ns = int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  const auto page = static_cast<size_t>(std::max(1L, sysconf(_SC_PAGESIZE)));
  const std::string pages = read_text("/proc/self/statm");
  char* rest = nullptr;
  use.virtual_bytes = static_cast<size_t>(std::strtoull(pages.c_str(), &rest, 10)) * page;
  use.resident_bytes = static_cast<size_t>(std::strtoull(rest, nullptr, 10)) * page;
  use.threads = static_cast<size_t>(field_of(read_text("/proc/self/status"), "Threads:"));
  use.descriptors = count_entries("/proc/self/fd");
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    use.descriptors_max = static_cast<size_t>(limit.rlim_cur);
  return use;
}

GroupUse read_group(const std::string& proc, const std::string& sys) {
  const std::string groups = read_text(proc + "/self/cgroup");
  const std::string root = sys + "/fs/cgroup";
  GroupUse use = exists(root + "/cgroup.controllers") ? read_version_2(root, group_path(groups, ""))
                                                      : read_version_1(root, groups);
  use.cpus = group_quota(proc, sys);
  return use;
}

double CpuMeter::percent(int64_t now_ns, int64_t cpu_ns) {
  const int64_t passed = now_ns - last_now_ns_;
  if (started_ && passed < kShortest) return last_percent_;
  if (started_)
    last_percent_ = std::max(0.0, 100.0 * static_cast<double>(cpu_ns - last_cpu_ns_) /
                                      static_cast<double>(passed) / cpus_);
  started_ = true;
  last_now_ns_ = now_ns;
  last_cpu_ns_ = cpu_ns;
  return last_percent_;
}

}  // namespace spinney::observe
