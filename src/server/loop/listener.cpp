#include "server/loop/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace spinney::server::loop {
namespace {

constexpr int kBacklog = 4096;  // the system's own limit may be lower

struct FreeAddress {
  void operator()(addrinfo* found) const { freeaddrinfo(found); }
};
using Address = std::unique_ptr<addrinfo, FreeAddress>;

Error system_error(const std::string& what) {
  return {Code::kIo, what + ": " + std::strerror(errno)};
}

Result<Address> resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  const int failed =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &found);
  if (failed != 0)
    return invalid_argument("host '" + host + "' is no address: " + gai_strerror(failed));
  return Address(found);
}

Result<Descriptor> bind_one(const addrinfo& address, bool shared, const std::string& name) {
  Descriptor made(
      socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol));
  if (!made) return system_error("no socket for " + name);
  const int on = 1;
  (void)setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared && setsockopt(made.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
    return system_error("SO_REUSEPORT for " + name);
  if (bind(made.get(), address.ai_addr, address.ai_addrlen) != 0)
    return system_error("cannot listen on " + name);
  return made;
}

uint16_t port_of(int fd) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
  return ntohs(own.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(own).sin6_port
                                         : reinterpret_cast<sockaddr_in&>(own).sin_port);
}

void set_port(addrinfo& address, uint16_t port) {
  if (address.ai_family == AF_INET6)
    reinterpret_cast<sockaddr_in6*>(address.ai_addr)->sin6_port = htons(port);
  else
    reinterpret_cast<sockaddr_in*>(address.ai_addr)->sin_port = htons(port);
}

}  // namespace

void Descriptor::reset() noexcept {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Result<Listeners> listen_on(const std::string& host, uint16_t port, size_t sockets) {
  SPINNEY_ASSIGN(Address address, resolve(host, port));
  const std::string name = host + ":" + std::to_string(port);
  Listeners made;
  made.port = port;
  made.host = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != 0) {
    // Alone first: with SO_REUSEPORT two servers of one user would share the port unawares.
    SPINNEY_ASSIGN(Descriptor alone, bind_one(*address, false, name));
    if (listen(alone.get(), 1) != 0) return system_error("cannot listen on " + name);
  }
  for (size_t i = 0; i < sockets; ++i) {
    SPINNEY_ASSIGN(Descriptor one, bind_one(*address, true, name));
    if (made.port == 0) {
      made.port = port_of(one.get());
      set_port(*address, made.port);
    }
    made.sockets.push_back(std::move(one));
  }
  // All are bound before the first takes connections.
  for (const Descriptor& one : made.sockets)
    if (listen(one.get(), kBacklog) != 0) return system_error("cannot listen on " + name);
  return made;
}

}  // namespace spinney::server::loop
