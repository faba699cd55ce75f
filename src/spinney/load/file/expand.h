// The compressions that joblib writes, undone in memory and within a limit.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "spinney/base/result.h"

namespace spinney::load {

enum class Compression { kNone, kZlib, kGzip, kBzip2, kXz, kLzma, kLz4, kOldJoblib };

// By the first bytes, as joblib tells them apart.
Compression compression_of(std::span<const char> bytes);

struct Expanded {
  std::shared_ptr<const void> owner;
  std::span<const char> bytes;
};

// Refuses what is cut short or damaged, and what expands beyond `most` bytes.
Result<Expanded> expand(std::span<const char> bytes, Compression compression, size_t most);

}  // namespace spinney::load
