#include "spinney/load/pickle/pickle.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "spinney/load/artifact/artifact.h"
#include "spinney/load/file/expand.h"
#include "spinney/load/pickle/machine.h"

namespace spinney::load {
namespace {

// No pickle begins as models in other formats do.
Status check_no_other_format(std::span<const char> bytes) {
  const std::string_view text(bytes.data(), bytes.size());
  const size_t first = text.find_first_not_of(" \t\r\n");
  const std::string_view rest = first == std::string_view::npos ? "" : text.substr(first);
  const char* what = nullptr;
  if (rest.starts_with('{') || rest.starts_with('['))
    what = "JSON or UBJSON";
  else if (rest.starts_with("tree\n") || rest.starts_with("tree\r\n"))
    what = "LightGBM's text";
  else if (is_artifact(bytes))
    what = "a .spinney file";
  if (!what) return {};
  return unsupported(std::string("this is ") + what +
                     ", not a pickle; leave out the format, or give the file's own");
}

Result<Pickle> read(std::span<const char> bytes, const PickleLimits& limits) {
  Pickle pickle;
  const size_t file_bytes = limits.file_bytes ? limits.file_bytes : bytes.size();
  pickle.is_joblib = limits.was_compressed;
  const Compression compression = compression_of(bytes);
  if (compression != Compression::kNone) {
    SPINNEY_ASSIGN(const Expanded expanded,
                   expand(bytes, compression, expanded_most(bytes.size())));
    pickle.arena->expanded = expanded.owner;
    pickle.is_joblib = true;
    bytes = expanded.bytes;
  }
  SPINNEY_TRY(check_no_other_format(bytes));
  pickle.budget = Budget(file_bytes, bytes.size(), limits.budget);
  PickleMachine machine(bytes, 0, pickle, 0);
  SPINNEY_ASSIGN(pickle.root, machine.run());
  return pickle;
}

}  // namespace

Result<Pickle> read_pickle(std::span<const char> bytes, const PickleLimits& limits) {
  try {
    return read(bytes, limits);
  } catch (const std::bad_alloc&) {
    return too_large("the pickle needs more memory than there is");
  } catch (const std::length_error&) {
    return too_large("the pickle declares a size beyond what memory can hold");
  }
}

bool looks_like_pickle(std::span<const char> bytes) {
  if (compression_of(bytes) != Compression::kNone) return true;
  if (bytes.size() < 2) return false;
  const auto first = static_cast<unsigned char>(bytes[0]);
  if (first == 0x80) return static_cast<unsigned char>(bytes[1]) <= 5;
  // Protocols 0 and 1 have no mark of their own: a model's begins by naming a class.
  const std::string_view head(bytes.data(), std::min<size_t>(bytes.size(), 64));
  return first == 'c' && head.find('\n') != std::string_view::npos;
}

}  // namespace spinney::load
