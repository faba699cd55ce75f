// Small files of /proc and /sys, as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spinney {

// The first 8 KiB of a file; empty if there is none.
std::string read_text(const std::string& path);
bool exists(const std::string& path);
// The number after a name that begins a line ("nr_throttled 5", "Threads:  7"); 0 if there is none.
uint64_t field_of(std::string_view text, std::string_view name);
// The path of the controller's group among the lines of /proc/self/cgroup, such as "0::/a/b" or
// "4:cpu,cpuacct:/a/b"; empty if there is none. Version 2's line names no controller: "".
std::string group_path(const std::string& groups, const std::string& controller);

}  // namespace spinney
