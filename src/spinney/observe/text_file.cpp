#include "spinney/observe/text_file.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace spinney::observe {

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

}  // namespace spinney::observe
