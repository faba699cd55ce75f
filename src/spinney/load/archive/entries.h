// The tables of contents of the archives' formats.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "spinney/load/archive/archive.h"

namespace spinney::load {

// More are no archive around a model.
inline constexpr size_t kArchiveEntriesMax = 65535;

Result<std::vector<ArchiveEntry>> zip_entries(std::span<const char> bytes);
Result<std::vector<ArchiveEntry>> tar_entries(std::span<const char> bytes);

// Whether the name stays within the archive; refused otherwise.
Status check_entry_name(const std::string& name);
// For messages: the name, cut short.
std::string entry_in_quotes(const std::string& name);

}  // namespace spinney::load
