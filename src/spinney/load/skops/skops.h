// skops files: a zip archive with schema.json, a tree of nodes, and the arrays beside it.
//
// A node names a class and how skops would make it again; here it becomes an inert record, as in
// pickles, which the same readers of estimators take. Nothing is imported, made or called.
#pragma once

#include <span>

#include "spinney/base/result.h"
#include "spinney/load/archive/archive.h"
#include "spinney/load/pickle/pickle.h"

namespace spinney::load {

// Protocols 0 to 2, which skops 0.1 to 0.16 write. `archive` and the bytes that it was opened from
// must outlive the result; file_bytes are the file's.
Result<Pickle> read_skops(Archive& archive, size_t file_bytes);

// Whether the archive is one of skops'.
bool is_skops(const Archive& archive);

}  // namespace spinney::load
