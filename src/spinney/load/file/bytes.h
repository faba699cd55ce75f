// A file's bytes, read in one go.
//
// The file is copied, not mapped: a server reloads models while others replace them, and a mapped
// file that is cut short under a reader kills the process.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "spinney/base/result.h"

namespace spinney::load {

class FileBytes {
 public:
  std::span<const char> span() const { return {data_.get(), size_}; }
  size_t size() const { return size_; }

 private:
  friend Result<FileBytes> read_file(const std::string& path);
  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
};

// A regular file or a pipe. kNotFound if there is no such file, kIo if it is something else or
// cannot be read; the message has the path and the system's reason.
Result<FileBytes> read_file(const std::string& path);

}  // namespace spinney::load
