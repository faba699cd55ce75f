#include "spinney/load/artifact_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "spinney/load/artifact.h"

namespace spinney::load {
namespace {

Error io_error(const std::string& doing, const std::string& path) {
  const Code code = errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kIo;
  return {code, "cannot " + doing + " " + path + ": " + std::strerror(errno)};
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  int close() { return ::close(std::exchange(number_, -1)); }

 private:
  int number_;
};

// Closed when a Descriptor takes it; -1 with errno set if the file cannot be opened.
int open_to_read(const std::string& path) { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }

Result<size_t> size_of_file(const Descriptor& file, const std::string& path) {
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return io_error("read", path);
  if (S_ISDIR(status.st_mode)) return Error{Code::kIo, path + " is a directory, not a model file"};
  return static_cast<size_t>(std::max<off_t>(status.st_size, 0));
}

// Reads until n bytes are there or the file ends; the number read, or -1.
ssize_t read_up_to(int file, char* out, size_t n) {
  size_t done = 0;
  while (done < n) {
    const ssize_t got = ::read(file, out + done, n - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

bool write_all(int file, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return true;
}

// A rename is durable once its folder is. Some file systems cannot do this; the rename stands.
void sync_folder_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() >= 0) (void)::fsync(opened.get());
}

}  // namespace

Result<MappedFile> map_file(const std::string& path) {
  const Descriptor file(open_to_read(path));
  if (file.get() < 0) return io_error("read", path);
  SPINNEY_ASSIGN(const size_t size, size_of_file(file, path));
  if (size == 0) return MappedFile{};
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return io_error("map", path);
  std::shared_ptr<const void> owner(
      data, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return MappedFile{std::move(owner), {static_cast<const char*>(data), size}};
}

Result<bool> starts_as_artifact(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return io_error("read", path);
  if (!S_ISREG(status.st_mode)) return false;  // a pipe must not lose its first bytes
  const Descriptor file(open_to_read(path));
  if (file.get() < 0) return io_error("read", path);
  char start[sizeof kArtifactMagic];
  const ssize_t got = read_up_to(file.get(), start, sizeof start);
  if (got < 0) return io_error("read", path);
  return is_artifact({start, static_cast<size_t>(got)});
}

Status replace_file(const std::string& path, std::span<const std::span<const char>> pieces) {
  static std::atomic<unsigned> serial{0};
  const std::string temporary =
      path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(serial++);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) return io_error("create", temporary);
  bool done = true;
  for (const std::span<const char> piece : pieces) done = done && write_all(file.get(), piece);
  done = done && ::fsync(file.get()) == 0;
  done = file.close() == 0 && done;
  done = done && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!done) {
    const Error error = io_error("write", path);
    ::unlink(temporary.c_str());
    return error;
  }
  sync_folder_of(path);
  return {};
}

}  // namespace spinney::load
