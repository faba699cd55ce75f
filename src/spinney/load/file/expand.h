// The compressions that joblib writes, zstd, and raw deflate in zip archives, undone in memory and
// within a limit.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "spinney/base/result.h"

namespace spinney::load {

enum class Compression {
  kNone,
  kZlib,
  kGzip,
  kBzip2,
  kXz,
  kLzma,
  kLz4,
  kZstd,
  kOldJoblib,
  kDeflate
};

// By the first bytes, as joblib tells them apart; never kDeflate, which has no mark.
Compression compression_of(std::span<const char> bytes);

struct Expanded {
  std::shared_ptr<const void> owner;
  std::span<const char> bytes;
};

// What a file of so many bytes may expand to: 64 MiB, and 64 times its bytes.
size_t expanded_most(size_t file_bytes);

// Refuses what is cut short or damaged, and what expands beyond `most` bytes.
Result<Expanded> expand(std::span<const char> bytes, Compression compression, size_t most);

}  // namespace spinney::load
