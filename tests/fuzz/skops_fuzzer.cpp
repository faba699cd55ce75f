// A schema and arrays read as a file of skops: a model or a clear error, never a crash. The input
// is the schema, then arrays, each from its mark on ("\x93NUMPY"), which are called 0.npy, 1.npy,
// …; the zip archive around them is made here.
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spinney/load/archive/archive.h"
#include "spinney/load/estimator.h"
#include "spinney/load/skops/skops.h"

namespace {

using Files = std::vector<std::pair<std::string, std::string_view>>;

Files files_of(std::string_view input) {
  constexpr std::string_view kMark("\x93NUMPY", 6);
  size_t at = std::min(input.find(kMark), input.size());
  Files files = {{"schema.json", input.substr(0, at)}};
  while (at < input.size()) {
    const size_t next = std::min(input.find(kMark, at + 1), input.size());
    files.emplace_back(std::to_string(files.size() - 1) + ".npy", input.substr(at, next - at));
    at = next;
  }
  return files;
}

void put(std::string& out, uint32_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xff));
}

// What a local header and a record of the directory have in common.
void put_entry(std::string& out, const std::string& name, std::string_view contents) {
  put(out, 0, 2);  // flags
  put(out, 0, 2);  // stored
  put(out, 0, 4);  // time
  put(out,
      static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(contents.data()),
                                  static_cast<uInt>(contents.size()))),
      4);
  put(out, static_cast<uint32_t>(contents.size()), 4);
  put(out, static_cast<uint32_t>(contents.size()), 4);
  put(out, static_cast<uint32_t>(name.size()), 2);
  put(out, 0, 2);  // no extra field
}

std::string zip_of(const Files& files) {
  std::string out, directory;
  for (const auto& [name, contents] : files) {
    directory.append("PK\1\2");
    put(directory, 20, 2);
    put(directory, 20, 2);
    put_entry(directory, name, contents);
    put(directory, 0, 2);  // comment
    put(directory, 0, 2);  // disk
    put(directory, 0, 2);
    put(directory, 0, 4);
    put(directory, static_cast<uint32_t>(out.size()), 4);
    directory.append(name);
    out.append("PK\3\4");
    put(out, 20, 2);
    put_entry(out, name, contents);
    out.append(name).append(contents);
  }
  const auto begin = static_cast<uint32_t>(out.size());
  out.append(directory).append("PK\5\6");
  put(out, 0, 4);
  put(out, static_cast<uint32_t>(files.size()), 2);
  put(out, static_cast<uint32_t>(files.size()), 2);
  put(out, static_cast<uint32_t>(directory.size()), 4);
  put(out, begin, 4);
  put(out, 0, 2);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace spinney::load;
  const Files files = files_of({reinterpret_cast<const char*>(data), size});
  if (files.size() > 1000) return 0;
  const std::string zip = zip_of(files);
  auto archive = Archive::open(zip, expanded_most(zip.size()));
  if (!archive.ok() || !is_skops(*archive)) std::abort();
  const auto pickle = read_skops(*archive, zip.size());
  if (!pickle.ok()) {
    if (pickle.error().message.empty()) std::abort();
    return 0;
  }
  const auto model = describe_pickle(*pickle, {}, "skops");
  if (!model.ok() && model.error().message.empty()) std::abort();
#ifdef SPINNEY_FUZZ_CANARY
  // Reached only by a mutation of a seed that still loads, but by which the library's version is
  // none that is tested.
  if (model.ok() && !model.value().warnings.empty()) std::abort();
#endif
  return 0;
}
