// The headers of a tar archive: ustar, GNU's long names and pax's extended headers.
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "spinney/load/archive/entries.h"

namespace spinney::load {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kExtendedMax = 1 << 20;  // bytes of one extended header
constexpr size_t kNameAt = 0, kNameBytes = 100, kSizeAt = 124, kSizeBytes = 12, kSumAt = 148,
                 kSumBytes = 8, kKindAt = 156, kPrefixAt = 345, kPrefixBytes = 155;

Error damaged(const std::string& what) { return corrupt("the tar archive is damaged: " + what); }

std::string_view field(std::span<const char> header, size_t at, size_t size) {
  const std::string_view text(header.data() + at, size);
  return text.substr(0, text.find('\0'));
}

// Octal digits between spaces or zeros; GNU writes large numbers in base 256, with the top bit set.
std::optional<uint64_t> number(std::span<const char> header, size_t at, size_t size) {
  if (static_cast<unsigned char>(header[at]) == 0x80) {
    uint64_t value = 0;
    for (size_t i = 1; i < size; ++i) {
      if (value >> 55) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(header[at + i]);
    }
    return value;
  }
  std::string_view text = field(header, at, size);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (text.empty()) return 0;
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The sum of the header's bytes, its own field taken for spaces.
bool checksum_holds(std::span<const char> header) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i)
    sum += i >= kSumAt && i < kSumAt + kSumBytes ? ' ' : static_cast<unsigned char>(header[i]);
  return number(header, kSumAt, kSumBytes) == sum;
}

// What the headers before a file's own say of it.
struct Extended {
  std::optional<std::string> name;
  std::optional<uint64_t> size;
};

// "27 path=some/long/name\n", one behind the other; the number counts the whole line.
Status read_pax(std::string_view text, Extended& extended) {
  while (!text.empty() && text[0] != '\0') {
    size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<size_t>(end - text.data());
    if (error != std::errc() || length <= digits + 1 || length > text.size() ||
        text[digits] != ' ' || text[length - 1] != '\n')
      return damaged("an extended header is not made of lines");
    const std::string_view line = text.substr(digits + 1, length - digits - 2);
    const size_t sign = line.find('=');
    if (sign == std::string_view::npos) return damaged("an extended header names no value");
    const std::string_view key = line.substr(0, sign), value = line.substr(sign + 1);
    if (key == "path") extended.name = value;
    if (key == "size") {
      uint64_t size = 0;
      const auto parsed = std::from_chars(value.data(), value.data() + value.size(), size);
      if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size())
        return damaged("an extended header's size is no number");
      extended.size = size;
    }
    text.remove_prefix(length);
  }
  return {};
}

class TarReader {
 public:
  explicit TarReader(std::span<const char> bytes) : bytes_(bytes) {}

  Result<std::vector<ArchiveEntry>> read() {
    while (bytes_.size() - at_ >= kBlock && bytes_[at_] != '\0') {
      SPINNEY_TRY(read_header());
      if (++headers_ > 4 * kArchiveEntriesMax || entries_.size() > kArchiveEntriesMax)
        return too_large("the tar archive has more than 65,535 entries");
    }
    // A proper archive ends with a block of zeros; one without any has lost its end.
    if (bytes_.size() - at_ < kBlock) return damaged("it is cut short");
    return std::move(entries_);
  }

 private:
  Status read_header() {
    const auto header = bytes_.subspan(at_, kBlock);
    if (!checksum_holds(header))
      return damaged("the header at byte " + std::to_string(at_) + " has another checksum");
    const std::optional<uint64_t> declared = number(header, kSizeAt, kSizeBytes);
    const char kind = header[kKindAt];
    const bool is_file = kind == '0' || kind == '\0' || kind == '7';
    at_ += kBlock;
    const std::optional<uint64_t> size = is_file && extended_.size ? extended_.size : declared;
    if (!size || *size > bytes_.size() - at_)
      return damaged("an entry's size is beyond the archive's end");
    const auto contents = bytes_.subspan(at_, *size);
    const size_t blocks = (*size + kBlock - 1) / kBlock * kBlock;
    if (blocks > bytes_.size() - at_) return damaged("it is cut short");
    at_ += blocks;
    return take(header, kind, is_file, contents);
  }

  Status take(std::span<const char> header, char kind, bool is_file,
              std::span<const char> contents) {
    if ((kind == 'x' || kind == 'L') && contents.size() > kExtendedMax)
      return too_large("the tar archive has an extended header of " +
                       std::to_string(contents.size()) + " bytes");
    const std::string_view text(contents.data(), contents.size());
    if (kind == 'g') return {};  // of all entries: comments, as git writes them
    if (kind == 'x') return read_pax(text, extended_);
    if (kind == 'L') {
      extended_.name = std::string(text.substr(0, text.find('\0')));
      return {};
    }
    ArchiveEntry entry;
    entry.name = extended_.name ? *extended_.name : name_of(header);
    extended_ = {};
    while (entry.name.starts_with("./")) entry.name.erase(0, 2);
    if (kind == '5' || entry.name.empty() || entry.name == ".") return {};
    if (kind == '1' || kind == '2' || kind == 'K')
      return corrupt("the tar archive's entry " + entry_in_quotes(entry.name) + " is a link");
    if (!is_file)
      return corrupt("the tar archive's entry " + entry_in_quotes(entry.name) +
                     " is neither a file nor a folder");
    if (entry.name.ends_with('/')) return {};  // a folder, as tars of before 1988 have them
    entry.bytes = contents;
    entry.size = contents.size();
    entries_.push_back(std::move(entry));
    return {};
  }

  static std::string name_of(std::span<const char> header) {
    std::string name(field(header, kNameAt, kNameBytes));
    const std::string_view prefix = field(header, kPrefixAt, kPrefixBytes);
    const bool is_posix =
        std::string_view(header.data() + 257, 6) == std::string_view("ustar\0", 6);
    if (!is_posix || prefix.empty()) return name;
    return std::string(prefix).append("/").append(name);
  }

  std::span<const char> bytes_;
  size_t at_ = 0;
  size_t headers_ = 0;
  Extended extended_;
  std::vector<ArchiveEntry> entries_;
};

}  // namespace

Result<std::vector<ArchiveEntry>> tar_entries(std::span<const char> bytes) {
  return TarReader(bytes).read();
}

}  // namespace spinney::load
