#include "spinney/load/file/bytes.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "spinney/load/file/open.h"

namespace spinney::load {
namespace {

// What a pipe may pour out: its length is not known beforehand.
constexpr size_t kPipeBytesMax = size_t{1} << 30;

}  // namespace

Result<FileBytes> read_file(const std::string& path) {
  SPINNEY_ASSIGN(const OpenFile file, open_to_read(path));
  try {
    FileBytes bytes;
    // One byte more than the file has, to see that it ends there; what grows meanwhile, or is a
    // pipe, makes the buffer grow.
    size_t capacity = std::max<size_t>(file.size + 1, 1 << 16);
    bytes.data_ = std::make_unique_for_overwrite<char[]>(capacity);
    while (true) {
      SPINNEY_ASSIGN(
          const size_t got,
          read_into(file, {bytes.data_.get() + bytes.size_, capacity - bytes.size_}, path));
      bytes.size_ += got;
      if (bytes.size_ < capacity) return bytes;
      if (capacity > kPipeBytesMax && capacity > 2 * file.size)
        return too_large(path + " gives more than " + std::to_string(capacity) +
                         " bytes; save the model to a file first");
      auto larger = std::make_unique_for_overwrite<char[]>(2 * capacity);
      std::memcpy(larger.get(), bytes.data_.get(), bytes.size_);
      bytes.data_ = std::move(larger);
      capacity *= 2;
    }
  } catch (const std::bad_alloc&) {
    return too_large(path + " does not fit in memory");
  }
}

}  // namespace spinney::load
