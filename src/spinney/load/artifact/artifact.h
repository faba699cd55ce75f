// The .spinney file: a Description as one file that is checked rather than parsed.
//
//   header (64 bytes) | section table | description | arrays ...
//
// Little-endian, whatever CPU wrote it. Sections start on 64-byte lines, one after the other, and
// what lies between them is zero. The arrays of a forest or linear model are stored as they lie in
// memory, so that they need no conversion and a mapped file's processes share their pages. Data
// only: reading one runs nothing.
//
// The header and table carry one XXH3 checksum and every section another; all are verified when a
// file is opened (several gigabytes a second), and the forests inside go through adopt_forest(),
// because kernels check nothing. A section kind with kOptional set is skipped by readers that do
// not know it: room for layouts made ready for one kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/model/description.h"

namespace spinney::load {

inline constexpr char kArtifactMagic[8] = {'\x93', 'S', 'P', 'I', 'N', 'N', 'E', 'Y'};
// Raised whenever a reader of the version before would misread the file. Version 2 added what says
// which trees of the model's file were chosen, and the leaves of rows that become a DMatrix first;
// version 3 what a forest's sums are multiplied by and what is added to them, and graphs, where
// those before have ensembles; version 4 what the columns of rows are.
inline constexpr uint32_t kArtifactVersion = 4;
inline constexpr size_t kArtifactAlignment = 64;

struct ArtifactHeader {
  char magic[8];
  uint32_t version;
  uint32_t section_count;
  uint64_t file_bytes;
  uint64_t checksum;  // of this header with checksum 0, then the table
  uint64_t reserved[4];
};
static_assert(sizeof(ArtifactHeader) == 64);

enum ArtifactKind : uint32_t {
  kDescription = 1,  // section 0, always
  kArray = 2,
  kOptional = 0x80000000u,
};

struct ArtifactSection {
  uint32_t kind;
  uint32_t item_bytes;  // kArray: sizeof one element
  uint64_t offset;
  uint64_t bytes;
  uint64_t checksum;
};
static_assert(sizeof(ArtifactSection) == 32);

uint64_t artifact_checksum(std::span<const char> bytes, uint64_t seed = 0);

bool is_artifact(std::span<const char> bytes);

// The description held in bytes, whose arrays go on pointing into them and share owner. bytes must
// start on a 64-byte line. may_change: others can write to them, as to a mapped file; then only
// leaf values, weights and other numbers that are added up stay there, and all that kernels look
// something up by is copied before it is checked.
Result<Description> read_artifact(std::shared_ptr<const void> owner, std::span<const char> bytes,
                                  bool may_change = false);
// The same of bytes that go away: copies them once.
Result<Description> read_artifact(std::span<const char> bytes);

// The file's bytes; and the file itself, written beside `path` and renamed.
Result<std::vector<char>> artifact_bytes(const Description& model);
Status write_artifact(const Description& model, const std::string& path);

}  // namespace spinney::load
