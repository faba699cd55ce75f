// Version: of the library that wrote a file, as far as rules depend on it.
#pragma once

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spinney {

struct Version {
  int64_t major = 0, minor = 0, patch = 0;
  auto operator<=>(const Version&) const = default;
  bool before(int64_t other_major, int64_t other_minor) const {
    return *this < Version{other_major, other_minor, 0};
  }
  // Empty if the version is unknown, 0.0.0.
  std::string text() const {
    if (*this == Version{}) return "";
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  }
};

// "1.5.2" and "1.5.dev0" are {1, 5, 2} and {1, 5, 0}: a major and a minor number, and a patch if a
// number follows. Nothing if the text does not begin so.
inline std::optional<Version> parse_version(std::string_view text) {
  Version version;
  const char* at = text.data();
  const char* end = at + text.size();
  for (int64_t* part : {&version.major, &version.minor, &version.patch}) {
    if (part != &version.major) {
      if (at == end || *at != '.') break;
      ++at;
    }
    const auto [behind, error] = std::from_chars(at, end, *part);
    if (error != std::errc() || *part < 0) {
      if (part != &version.patch) return std::nullopt;
      version.patch = 0;
    }
    at = behind;
    if (part == &version.major && (at == end || *at != '.')) return std::nullopt;
  }
  return version;
}

}  // namespace spinney
