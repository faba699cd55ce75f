// The central directory of a zip archive, held against the local headers.
#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "spinney/load/archive/entries.h"

namespace spinney::load {
namespace {

constexpr std::string_view kLocal("PK\x03\x04", 4), kCentral("PK\x01\x02", 4),
    kEnd("PK\x05\x06", 4);
constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kCommentMax = 65535;
constexpr uint32_t kStored = 0, kDeflated = 8, kEncrypted = 1;
constexpr uint32_t kLinkMode = 0xA000, kKindOfMode = 0xF000;

// Little-endian numbers at places that were checked before.
uint32_t u16(std::span<const char> bytes, size_t at) {
  uint16_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
uint32_t u32(std::span<const char> bytes, size_t at) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Error damaged(const std::string& what) { return corrupt("the zip archive is damaged: " + what); }

// Where the record at the end lies.
Result<size_t> find_end(std::span<const char> bytes) {
  if (bytes.size() < kEndBytes) return damaged("it is cut short");
  const std::string_view text(bytes.data(), bytes.size());
  const size_t first = bytes.size() - std::min(bytes.size(), kEndBytes + kCommentMax);
  for (size_t at = bytes.size() - kEndBytes + 1; at-- > first;)
    if (text.substr(at).starts_with(kEnd) && at + kEndBytes + u16(bytes, at + 20) == bytes.size())
      return at;
  return damaged("its directory is missing, as if it were cut short");
}

struct Stored {
  ArchiveEntry entry;
  bool is_folder = false;
  size_t begin = 0, end = 0;  // of header and data in the archive
  size_t next = 0;            // of the directory's next record
};

// The data behind the local header, which must say what the directory says.
Status find_data(std::span<const char> bytes, size_t header, size_t stored, Stored& found) {
  const std::string name = entry_in_quotes(found.entry.name);
  if (header > bytes.size() || bytes.size() - header < kLocalBytes ||
      std::string_view(bytes.data() + header, 4) != kLocal)
    return damaged("entry " + name + " is not where it should be");
  const size_t name_bytes = u16(bytes, header + 26);
  const size_t begin = header + kLocalBytes + name_bytes + u16(bytes, header + 28);
  if (begin > bytes.size() || stored > bytes.size() - begin)
    return damaged("entry " + name + " lies outside of it");
  if (std::string_view(bytes.data() + header + kLocalBytes, name_bytes) != found.entry.name)
    return damaged("entry " + name + " has another name where it lies");
  found.entry.bytes = bytes.subspan(begin, stored);
  found.begin = header;
  found.end = begin + stored;
  return {};
}

Result<Stored> read_record(std::span<const char> bytes, size_t at, size_t end) {
  if (end - at < kCentralBytes || std::string_view(bytes.data() + at, 4) != kCentral)
    return damaged("its directory is cut short");
  const size_t name_bytes = u16(bytes, at + 28);
  const size_t record = kCentralBytes + name_bytes + u16(bytes, at + 30) + u16(bytes, at + 32);
  if (record > end - at) return damaged("its directory is cut short");
  Stored found;
  found.next = at + record;
  ArchiveEntry& entry = found.entry;
  entry.name.assign(bytes.data() + at + kCentralBytes, name_bytes);
  const std::string name = entry_in_quotes(entry.name);
  const uint32_t stored = u32(bytes, at + 20), header = u32(bytes, at + 42);
  entry.size = u32(bytes, at + 24);
  entry.checksum = u32(bytes, at + 16);
  entry.has_checksum = true;
  if (stored == UINT32_MAX || entry.size == UINT32_MAX || header == UINT32_MAX)
    return unsupported("the zip archive's entry " + name + " is larger than 4 GiB");
  if (u16(bytes, at + 8) & kEncrypted)
    return unsupported("the zip archive's entry " + name + " is encrypted");
  const uint32_t method = u16(bytes, at + 10);
  if (method != kStored && method != kDeflated)
    return unsupported("the zip archive's entry " + name + " is compressed by method " +
                       std::to_string(method) + "; deflate is read");
  entry.is_deflated = method == kDeflated;
  if (((u32(bytes, at + 38) >> 16) & kKindOfMode) == kLinkMode)
    return corrupt("the zip archive's entry " + name + " is a link");
  found.is_folder = entry.name.ends_with('/');
  SPINNEY_TRY(find_data(bytes, header, stored, found));
  return found;
}

}  // namespace

Result<std::vector<ArchiveEntry>> zip_entries(std::span<const char> bytes) {
  SPINNEY_ASSIGN(const size_t end, find_end(bytes));
  const size_t count = u16(bytes, end + 10);
  size_t at = u32(bytes, end + 16);
  if (at > end || u32(bytes, end + 12) != end - at)
    return damaged("its directory is not where it should be");
  if (count != u16(bytes, end + 8) || count > (end - at) / kCentralBytes)
    return damaged("it declares " + std::to_string(count) + " entries");
  std::vector<ArchiveEntry> entries;
  std::vector<std::pair<size_t, size_t>> places;
  const size_t directory = at;
  for (size_t i = 0; i < count; ++i) {
    SPINNEY_ASSIGN(Stored found, read_record(bytes, at, end));
    at = found.next;
    places.emplace_back(found.begin, found.end);
    if (!found.is_folder) entries.push_back(std::move(found.entry));
  }
  // Entries that share bytes would expand to many times what they take.
  std::sort(places.begin(), places.end());
  for (size_t i = 0; i < places.size(); ++i)
    if (places[i].second > (i + 1 < places.size() ? places[i + 1].first : directory))
      return damaged("entries overlap");
  return entries;
}

}  // namespace spinney::load
