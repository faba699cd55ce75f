#include "spinney/load/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace spinney::load {
namespace {

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

Error refused(const std::string& path, int reason) {
  const Code code = reason == ENOENT || reason == ENOTDIR ? Code::kNotFound : Code::kIo;
  return {code, "cannot read " + path + ": " + std::strerror(reason)};
}

}  // namespace

Result<FileBytes> read_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0) return refused(path, errno);
  struct stat info = {};
  if (::fstat(file.fd, &info) != 0) return refused(path, errno);
  if (S_ISDIR(info.st_mode)) return Error{Code::kIo, path + " is a directory, not a model file"};
  try {
    FileBytes bytes;
    // A pipe says that its size is 0, so that the buffer has to be able to grow.
    size_t capacity = std::max<size_t>(static_cast<size_t>(info.st_size) + 1, 1 << 16);
    bytes.data_ = std::make_unique_for_overwrite<char[]>(capacity);
    while (true) {
      if (bytes.size_ == capacity) {
        auto larger = std::make_unique_for_overwrite<char[]>(2 * capacity);
        std::memcpy(larger.get(), bytes.data_.get(), bytes.size_);
        bytes.data_ = std::move(larger);
        capacity *= 2;
      }
      const ssize_t n = ::read(file.fd, bytes.data_.get() + bytes.size_, capacity - bytes.size_);
      if (n == 0) return bytes;
      if (n < 0 && errno != EINTR) return refused(path, errno);
      if (n > 0) bytes.size_ += static_cast<size_t>(n);
    }
  } catch (const std::bad_alloc&) {
    return too_large(path + " does not fit in memory");
  }
}

}  // namespace spinney::load
