// How connections are taken from the listeners' queues, and what becomes of those that are too
// many.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>

#include "server/loop/loop.h"

namespace spinney::server::loop {
namespace {

constexpr int kAcceptsATurn = 64;
constexpr int kAskedReads = 8;
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 46\r\n"
    "Retry-After: 1\r\nConnection: close\r\n\r\n{\"error\":\"the server has all the connections\"}";

}  // namespace

// True if there may be more of them in the queue.
bool Loop::accept_some(int listener) noexcept {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    Descriptor fd(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
      if ((errno == EMFILE || errno == ENFILE) && drop_one(listener)) continue;
      pause_accepting(true);
      return false;
    }
    connections_.accepted.fetch_add(1, std::memory_order_relaxed);
    if (connections_.open.fetch_add(1, std::memory_order_relaxed) >= connections_.most) {
      connections_.open.fetch_sub(1, std::memory_order_relaxed);
      refuse(std::move(fd));
      continue;
    }
    add(std::move(fd));
  }
  return true;
}

void Loop::refuse(Descriptor fd) noexcept {
  connections_.refused.fetch_add(1, std::memory_order_relaxed);
  (void)!send(fd.get(), kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(fd.get(), SHUT_WR);
  char asked[4096];  // what is not read when it is closed would take the answer back
  for (int i = 0; i < kAskedReads; ++i)
    if (recv(fd.get(), asked, sizeof asked, MSG_DONTWAIT) <= 0) break;
}

// Without a descriptor left the connection would stay in the queue: the one that is kept for this
// takes it out. False if somebody else was faster to take that.
bool Loop::drop_one(int listener) noexcept {
  reserve_.reset();
  Descriptor dropped(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  const bool is_dropped = static_cast<bool>(dropped);
  if (is_dropped) {
    connections_.accepted.fetch_add(1, std::memory_order_relaxed);
    connections_.refused.fetch_add(1, std::memory_order_relaxed);
  }
  dropped.reset();
  reserve_ = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  return is_dropped;
}

// What cannot be accepted now stays in the queue, where it would wake this thread again and again:
// until the next sweep nobody looks there.
void Loop::pause_accepting(bool pause) noexcept {
  if (pause) next_sweep_ns_ = now_ns_ + kSweepNs;
  for (const Descriptor& listener : listeners_) {
    epoll_event event{};
    if (!pause) event.events = EPOLLIN;
    event.data.u64 = kListenerTag | static_cast<uint64_t>(listener.get());
    (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener.get(), &event);
  }
  pauses_ = pause;
}

}  // namespace spinney::server::loop
