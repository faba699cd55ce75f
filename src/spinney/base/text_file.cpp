#include "spinney/base/text_file.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace spinney {

std::string read_text(const std::string& path) {
  std::string text;
  if (std::FILE* file = std::fopen(path.c_str(), "re")) {
    char buffer[8192];
    text.assign(buffer, std::fread(buffer, 1, sizeof buffer, file));
    std::fclose(file);
  }
  return text;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

uint64_t field_of(std::string_view text, std::string_view name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(name)) continue;
    line.remove_prefix(name.size());
    const size_t digit = line.find_first_not_of(" \t");
    if (digit == 0 || digit == std::string_view::npos) continue;  // a longer name, or no number
    uint64_t value = 0;
    for (const char c : line.substr(digit)) {
      if (c < '0' || c > '9' || value > (UINT64_MAX - 9) / 10) break;
      value = value * 10 + static_cast<uint64_t>(c - '0');
    }
    return value;
  }
  return 0;
}

std::string group_path(const std::string& groups, const std::string& controller) {
  for (size_t at = 0; at < groups.size();) {
    const size_t end = std::min(groups.find('\n', at), groups.size());
    const std::string line = groups.substr(at, end - at);
    at = end + 1;
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string names(1, ',');
    names.append(line, first + 1, second - first - 1).append(1, ',');
    std::string wanted(1, ',');
    wanted.append(controller).append(1, ',');
    // Version 2's line names no controller.
    const bool found = controller.empty() ? names == wanted : names.find(wanted) != names.npos;
    if (found) return line.substr(second + 1);
  }
  return {};
}

}  // namespace spinney
