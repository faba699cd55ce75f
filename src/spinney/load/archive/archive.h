// Archives that hold a model among other files: zip, and tar, which gzip and its like are undone of
// before. Read as data in memory, nothing is ever written.
//
// Refused: links, paths that lead outside, encrypted entries, compressions other than deflate,
// entries that overlap or lie about their sizes, and more entries than a real archive has.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/load/file/expand.h"

namespace spinney::load {

// A regular file in an archive.
struct ArchiveEntry {
  std::string name;             // "model/model.pkl"
  std::span<const char> bytes;  // as stored
  bool is_deflated = false;
  size_t size = 0;        // expanded
  uint32_t checksum = 0;  // CRC-32 of the expanded bytes, in zip
  bool has_checksum = false;
};

enum class ArchiveKind { kNone, kZip, kTar };

// By the first bytes.
ArchiveKind archive_kind(std::span<const char> bytes);

class Archive {
 public:
  // `bytes` must outlive it and what it gives; `most` is what all entries that are read may expand
  // to together.
  static Result<Archive> open(std::span<const char> bytes, size_t most);

  const std::vector<ArchiveEntry>& entries() const { return entries_; }
  // nullptr: there is no entry of that name.
  const ArchiveEntry* find(const std::string& name) const;
  // The entry's contents, checked; what was stored as it is lies in the archive itself.
  Result<Expanded> read(const ArchiveEntry& entry);

 private:
  std::vector<ArchiveEntry> entries_;
  size_t left_ = 0;
};

}  // namespace spinney::load
