#include "spinney/load/file/open.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace spinney::load {
namespace {

constexpr int kSilenceMsMax = 10'000;

size_t memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(page) : SIZE_MAX;
}

// Waits for a pipe's writer.
Status wait_for_bytes(int file, const std::string& path) {
  pollfd waited{file, POLLIN, 0};
  const int ready = ::poll(&waited, 1, kSilenceMsMax);
  if (ready < 0 && errno != EINTR) return io_error("read", path);
  if (ready == 0)
    return Error{Code::kIo, "cannot read " + path +
                                ": it is a pipe, and nothing was written to it "
                                "for ten seconds"};
  return {};
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Error io_error(const std::string& doing, const std::string& path) {
  const Code code = errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kIo;
  return {code, "cannot " + doing + " " + path + ": " + std::strerror(errno)};
}

Result<OpenFile> open_to_read(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    return invalid_argument("the path holds a zero byte, which no file's name does");
  OpenFile file;
  // Opening a pipe that nobody writes to would otherwise wait for ever.
  file.descriptor = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.descriptor.get() < 0) return io_error("read", path);
  struct stat status = {};
  if (::fstat(file.descriptor.get(), &status) != 0) return io_error("read", path);
  if (S_ISDIR(status.st_mode)) return Error{Code::kIo, path + " is a directory, not a model file"};
  file.is_pipe = S_ISFIFO(status.st_mode);
  if (!file.is_pipe && !S_ISREG(status.st_mode))
    return Error{Code::kIo, path + " is a device or socket, not a model file"};
  file.size = static_cast<size_t>(std::max<off_t>(status.st_size, 0));
  if (!file.is_pipe && file.size > memory_bytes())
    return too_large(path + " has " + std::to_string(file.size) +
                     " bytes, which is more than the memory of this machine");
  return file;
}

Result<size_t> read_into(const OpenFile& file, std::span<char> room, const std::string& path) {
  const int number = file.descriptor.get();
  size_t done = 0;
  while (done < room.size()) {
    const ssize_t got = ::read(number, room.data() + done, room.size() - done);
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got == 0) {
      break;
    } else if (errno == EAGAIN) {
      SPINNEY_TRY(wait_for_bytes(number, path));
    } else if (errno != EINTR) {
      return io_error("read", path);
    }
  }
  return done;
}

}  // namespace spinney::load
