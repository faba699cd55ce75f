// A model's file opened to be read: a regular file or a pipe. Opening never waits, whatever the
// path names, and reading a pipe waits only while somebody writes to it.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "spinney/base/result.h"

namespace spinney::load {

// Closed when it goes.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  int get() const { return number_; }
  // For callers that want to know whether closing failed.
  int release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

struct OpenFile {
  Descriptor descriptor;
  bool is_pipe = false;
  size_t size = 0;  // of a regular file; a pipe does not know
};

// kNotFound if there is no such file, kIo if it cannot be read or is a folder, device or socket,
// kTooLarge if it is larger than this machine's memory. The message has the path.
Result<OpenFile> open_to_read(const std::string& path);

// Reads until `room` is full or the file ends; the number of bytes read. Refuses a pipe that stays
// silent for ten seconds.
Result<size_t> read_into(const OpenFile& file, std::span<char> room, const std::string& path);

// The system's reason in errno, with the path.
Error io_error(const std::string& doing, const std::string& path);

}  // namespace spinney::load
