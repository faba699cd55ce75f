// How an artifact lies on disk: copied or mapped to be read, replaced in one step that other
// processes see entirely or not at all.
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

// A regular file's bytes in memory of this process's own: whatever happens to the file afterwards,
// they stay what was read.
Result<MappedFile> copy_file(const std::string& path);

// A regular file, mapped read-only, so that processes share its pages and unread ones cost nothing.
// It must then not be truncated while it is mapped (a read beyond its new end ends the process, as
// with any mapping), and its bytes change if it is written in place; replacing it by renaming
// another over it, as replace_file() does, is safe at any time.
Result<MappedFile> map_file(const std::string& path);

// Whether path is a regular file that begins as an artifact does; an error if it cannot be opened.
Result<bool> starts_as_artifact(const std::string& path);

// Writes the pieces to a temporary name in the same folder, makes them durable and renames them to
// path. On failure path is as it was and the temporary file is gone.
Status replace_file(const std::string& path, std::span<const std::span<const char>> pieces);

}  // namespace spinney::load
