// Listening sockets: several for one address, one a thread, among which the system deals out
// connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "spinney/base/result.h"

namespace spinney::server::loop {

// A descriptor that is closed with it.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept {
    const int mine = fd_;
    fd_ = other.fd_;
    other.fd_ = mine;
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

struct Listeners {
  std::vector<Descriptor> sockets;
  std::string host;  // as a URL has it
  uint16_t port = 0;
};

// Port 0: any that is free. An address that somebody else listens on is refused, though that would
// be possible.
Result<Listeners> listen_on(const std::string& host, uint16_t port, size_t sockets);

}  // namespace spinney::server::loop
