// Files of a preprocessor: data only, with a version and a checksum over every byte.
//
// A file is a header and parts one after the other; what is in a part is its kind's business. The
// reader refuses a file whose sizes, checksum or values do not hold before anything is made of it,
// and takes no more memory than a small multiple of the bytes that are really there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "spinney/base/result.h"
#include "spinney/prepare/options.h"
#include "spinney/prepare/recipe.h"

namespace spinney::prepare {

inline constexpr char kFileMagic[8] = {'S', 'P', 'N', 'P', 'R', 'E', 'P', '\n'};
inline constexpr uint32_t kFileVersion = 1;

struct FileHeader {
  char magic[8];
  uint32_t version;
  uint32_t part_count;
  uint64_t file_bytes;
  uint64_t checksum;  // XXH3, of the file with this field 0
};

struct PartHeader {
  uint32_t kind;
  uint32_t reserved;  // 0
  uint64_t bytes;
};

struct Part {
  uint32_t kind = 0;
  std::vector<char> bytes;
};

std::vector<char> write_file(const std::vector<Part>& parts);
Result<std::vector<Part>> read_file(std::span<const char> bytes);
// Of a whole file; the field that holds it counts as 0.
uint64_t file_checksum(std::span<const char> bytes);

std::vector<char> write_recipe(const Recipe& recipe);
// The recipe is checked.
Result<Recipe> read_recipe(std::span<const char> bytes);

class ByteWriter;
class ByteReader;
void write_options(ByteWriter& writer, const Options& options);
// clip: as the file has it, since more follows in files of earlier versions.
Options read_options(ByteReader& reader, Clip& clip);

}  // namespace spinney::prepare
