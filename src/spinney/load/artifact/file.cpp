#include "spinney/load/artifact/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "spinney/load/artifact/artifact.h"
#include "spinney/load/file/open.h"

namespace spinney::load {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

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

Result<MappedFile> copy_file(const std::string& path) {
  SPINNEY_ASSIGN(const OpenFile file, open_to_read(path));
  if (file.is_pipe) return Error{Code::kIo, path + " is a pipe, which is not read in place"};
  // Large pages, where there are any, make room for a large file several times faster.
  const size_t line = file.size >= kHugePage ? kHugePage : kArtifactAlignment;
  const size_t room = (file.size + line) / line * line;
  auto* data = static_cast<char*>(std::aligned_alloc(line, room));
  if (!data) return too_large(path + " does not fit in memory");
  std::shared_ptr<const void> owner(data, &std::free);
  if (line == kHugePage) (void)::madvise(data, room, MADV_HUGEPAGE);
  SPINNEY_ASSIGN(const size_t got, read_into(file, {data, file.size}, path));
  return MappedFile{std::move(owner), {data, got}};
}

Result<MappedFile> map_file(const std::string& path) {
  SPINNEY_ASSIGN(const OpenFile file, open_to_read(path));
  if (file.is_pipe) return Error{Code::kIo, path + " is a pipe, which cannot be mapped"};
  if (file.size == 0) return MappedFile{};
  void* data = ::mmap(nullptr, file.size, PROT_READ, MAP_SHARED, file.descriptor.get(), 0);
  if (data == MAP_FAILED) return io_error("map", path);
  std::shared_ptr<const void> owner(
      data, [size = file.size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return MappedFile{std::move(owner), {static_cast<const char*>(data), file.size}};
}

Result<bool> starts_as_artifact(const std::string& path) {
  SPINNEY_ASSIGN(const OpenFile file, open_to_read(path));
  if (file.is_pipe) return false;  // a pipe must not lose its first bytes
  char start[sizeof kArtifactMagic];
  SPINNEY_ASSIGN(const size_t got, read_into(file, start, path));
  return is_artifact({start, got});
}

Status replace_file(const std::string& path, std::span<const std::span<const char>> pieces) {
  if (path.find('\0') != std::string::npos)
    return invalid_argument("the path holds a zero byte, which no file's name does");
  static std::atomic<unsigned> serial{0};
  const std::string temporary =
      path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(serial++);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) return io_error("create", temporary);
  bool done = true;
  for (const std::span<const char> piece : pieces) done = done && write_all(file.get(), piece);
  done = done && ::fsync(file.get()) == 0;
  done = ::close(file.release()) == 0 && done;
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
