// How an artifact lies on disk: mapped to be read, replaced in one step that other processes see
// entirely or not at all.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "spinney/base/result.h"

namespace spinney::load {

// A file's bytes, on a 64-byte line, and what keeps them there.
struct MappedFile {
  std::shared_ptr<const void> owner;
  std::span<const char> bytes;
};

// Files up to this size are copied instead of mapped: that takes a millisecond or two, and whatever
// happens to the file afterwards, the model stays what was verified.
inline constexpr size_t kCopyBytesMax = size_t{8} << 20;

// A regular file. A larger one is mapped read-only, so that processes share its pages and unread
// ones cost nothing. It must then not be truncated or written in place while it is mapped (a read
// beyond its new end ends the process, as with any mapping); replacing it by renaming another over
// it, as replace_file() does, is safe at any time.
Result<MappedFile> map_file(const std::string& path);

// Whether path is a regular file that begins as an artifact does; an error if it cannot be opened.
Result<bool> starts_as_artifact(const std::string& path);

// Writes the pieces to a temporary name in the same folder, makes them durable and renames them to
// path. On failure path is as it was and the temporary file is gone.
Status replace_file(const std::string& path, std::span<const std::span<const char>> pieces);

}  // namespace spinney::load
