#include "spinney/load/archive/archive.h"

#include <zlib.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "spinney/load/archive/entries.h"

namespace spinney::load {
namespace {

constexpr size_t kTarMark = 257;  // where "ustar" stands in a tar's first header
constexpr size_t kNameShown = 120;

uint32_t crc_of(std::span<const char> bytes) {
  uLong crc = crc32(0, nullptr, 0);
  while (!bytes.empty()) {
    const size_t count = std::min<size_t>(bytes.size(), size_t{1} << 30);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(count));
    bytes = bytes.subspan(count);
  }
  return static_cast<uint32_t>(crc);
}

}  // namespace

std::string entry_in_quotes(const std::string& name) {
  return "\"" + (name.size() <= kNameShown ? name : name.substr(0, kNameShown) + "…") + "\"";
}

Status check_entry_name(const std::string& name) {
  const auto refuse = [&](const char* why) {
    return corrupt("the archive's entry " + entry_in_quotes(name) + " " + why);
  };
  if (name.empty() || name.find('\0') != std::string::npos) return refuse("has no proper name");
  if (name[0] == '/' || name.find('\\') != std::string::npos || name.find(':') == 1)
    return refuse("is no path within the archive");
  const std::string slashed = "/" + name + "/";
  if (slashed.find("/../") != std::string::npos) return refuse("leads out of the archive");
  return {};
}

ArchiveKind archive_kind(std::span<const char> bytes) {
  const std::string_view text(bytes.data(), bytes.size());
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return ArchiveKind::kZip;
  if (text.size() > kTarMark && text.substr(kTarMark).starts_with("ustar"))
    return ArchiveKind::kTar;
  return ArchiveKind::kNone;
}

Result<Archive> Archive::open(std::span<const char> bytes, size_t most) {
  Archive archive;
  archive.left_ = most;
  SPINNEY_ASSIGN(archive.entries_, archive_kind(bytes) == ArchiveKind::kZip ? zip_entries(bytes)
                                                                            : tar_entries(bytes));
  std::set<std::string_view> names;
  for (const ArchiveEntry& entry : archive.entries_) {
    SPINNEY_TRY(check_entry_name(entry.name));
    if (!names.insert(entry.name).second)
      return corrupt("the archive holds two entries " + entry_in_quotes(entry.name));
  }
  return archive;
}

const ArchiveEntry* Archive::find(const std::string& name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const ArchiveEntry& entry) { return entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

Result<Expanded> Archive::read(const ArchiveEntry& entry) {
  Expanded contents{nullptr, entry.bytes};
  if (entry.size > left_)
    return too_large("the archive's entry " + entry_in_quotes(entry.name) + " is of " +
                     std::to_string(entry.size) +
                     " bytes, of which the archive's own size explains " + std::to_string(left_));
  if (entry.is_deflated) {
    // One byte more, so that an entry that is longer than it says is found out.
    auto expanded = expand(entry.bytes, Compression::kDeflate, entry.size + 1);
    if (!expanded.ok())
      return Error{expanded.error().code, "the archive's entry " + entry_in_quotes(entry.name) +
                                              ": " + expanded.error().message};
    contents = *std::move(expanded);
    left_ -= entry.size;
  }
  if (contents.bytes.size() != entry.size)
    return corrupt("the archive's entry " + entry_in_quotes(entry.name) + " holds " +
                   std::to_string(contents.bytes.size()) + " bytes and says " +
                   std::to_string(entry.size));
  if (entry.has_checksum && crc_of(contents.bytes) != entry.checksum)
    return corrupt("the archive's entry " + entry_in_quotes(entry.name) +
                   " is damaged: its checksum differs");
  return contents;
}

}  // namespace spinney::load
