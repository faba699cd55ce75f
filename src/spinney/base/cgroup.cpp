#include "spinney/base/cgroup.h"

#include <algorithm>
#include <cstdlib>

#include "spinney/base/text_file.h"

namespace spinney {
namespace {

double smaller(double a, double b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

double quota_in(const std::string& folder, bool version_2) {
  if (version_2) return quota_of(read_text(folder + "/cpu.max"));
  return quota_of(read_text(folder + "/cpu.cfs_quota_us") + " " +
                  read_text(folder + "/cpu.cfs_period_us"));
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

double group_quota(const std::string& proc, const std::string& sys) {
  const std::string groups = read_text(proc + "/self/cgroup");
  double quota = 0;
  for (const bool version_2 : {true, false}) {
    const std::string root = sys + (version_2 ? "/fs/cgroup" : "/fs/cgroup/cpu");
    std::string path = group_path(groups, version_2 ? "" : "cpu");
    while (path.size() > 1) {
      quota = smaller(quota, quota_in(root + path, version_2));
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
    quota = smaller(quota, quota_in(root, version_2));
  }
  return quota;
}

}  // namespace spinney
