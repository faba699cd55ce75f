#include "spinney/cpu/count.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "spinney/base/text_file.h"
#include "spinney/cpu/affinity.h"

namespace spinney::cpu {
namespace {

double smaller(double a, double b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

// The smallest quota from the process's own group up to the root; 0 if there is none. Inside a
// container the path may name groups that only the host sees; the root is looked at all the same.
double group_quota() {
  const std::string groups = read_text("/proc/self/cgroup");
  double quota = 0;
  for (const bool version_2 : {true, false}) {
    const std::string root = version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    std::string path = group_path(groups, version_2 ? "" : "cpu");
    while (true) {
      std::string folder = root;
      if (path != "/") folder += path;
      if (version_2) {
        quota = smaller(quota, quota_of(read_text(folder + "/cpu.max")));
      } else {
        quota = smaller(quota, quota_of(read_text(folder + "/cpu.cfs_quota_us") + " " +
                                        read_text(folder + "/cpu.cfs_period_us")));
      }
      if (path.empty() || path == "/") break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return quota;
}

}  // namespace

double quota_of(std::string_view cpu_max) {
  const std::string text(cpu_max);
  char* end = nullptr;
  const double time = std::strtod(text.c_str(), &end);
  if (end == text.c_str()) return 0;
  const double period = std::strtod(end, nullptr);
  return time > 0 && period > 0 ? time / period : 0;
}

unsigned usable_cpus() {
  static const double quota = group_quota();
  const auto cpus = static_cast<unsigned>(affinity().size());
  if (quota == 0) return cpus;
  return std::clamp(static_cast<unsigned>(std::min(std::ceil(quota), 1e6)), 1u, cpus);
}

}  // namespace spinney::cpu
