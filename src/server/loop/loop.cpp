#include "server/loop/loop.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace spinney::server::loop {
namespace {

constexpr uint64_t kWakeTag = UINT64_MAX;
constexpr int kReadsATurn = 8;    // of one connection, so that none keeps the others waiting
constexpr int kDrainTurns = 100;  // more than any queue of a listener is long
constexpr int64_t kLingerNs = 2 * kSecond;
constexpr size_t kDiscardMax = size_t{4} << 20;

using Phase = http1::Session::Phase;

}  // namespace

Loop::Loop(const http1::Limits& limits, Connections& connections, Budget& budget, Service& service,
           std::vector<Descriptor> listeners)
    : limits_(limits),
      connections_(connections),
      service_(service),
      spares_(&budget),
      shared_{limits, service, spares_, SteadyClock::instance(), counts_, this},
      listeners_(std::move(listeners)) {}

Loop::~Loop() {
  for (const auto& connection : slots_)
    if (connection) close(*connection);
}

Result<std::unique_ptr<Loop>> Loop::make(const http1::Limits& limits, Connections& connections,
                                         Budget& budget, Service& service,
                                         std::vector<Descriptor> listeners) {
  std::unique_ptr<Loop> loop(new Loop(limits, connections, budget, service, std::move(listeners)));
  SPINNEY_TRY(loop->open());
  return loop;
}

Status Loop::open() noexcept {
  epoll_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
  wake_ = Descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  reserve_ = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto watch = [&](int fd, uint32_t events, uint64_t tag) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  };
  bool watched = epoll_ && wake_ && watch(wake_.get(), EPOLLIN, kWakeTag);
  for (const Descriptor& listener : listeners_)
    watched = watched &&
              watch(listener.get(), EPOLLIN, kListenerTag | static_cast<uint64_t>(listener.get()));
  if (!watched) return Error{Code::kIo, std::string("no epoll: ") + std::strerror(errno)};
  return {};
}

void Loop::wake() noexcept {
  const uint64_t one = 1;
  if (!woken_.exchange(true, std::memory_order_acq_rel))
    (void)!write(wake_.get(), &one, sizeof one);
}

void Loop::drain() noexcept {
  draining_.store(true);
  woken_.store(false);
  wake();
}

void Loop::stop() noexcept {
  stopping_.store(true);
  woken_.store(false);
  wake();
}

void Loop::abandon() noexcept {
  for (Descriptor& listener : listeners_) listener.reset();
}

int Loop::wait_ms() const noexcept {
  if (!ready_.empty()) return 0;
  // No connection to look after.
  if (free_.size() == slots_.size() && !drains_ && !pauses_) return -1;
  const int64_t left = next_sweep_ns_ - now_ns_;
  return static_cast<int>(std::clamp<int64_t>(left / kMillisecond + 1, 1, 1000));
}

void Loop::run() noexcept {
  epoll_event events[256];
  now_ns_ = SteadyClock::instance().now_ns();
  next_sweep_ns_ = now_ns_ + kSweepNs;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const int n = epoll_wait(epoll_.get(), events, 256, wait_ms());
    now_ns_ = SteadyClock::instance().now_ns();
    for (int i = 0; i < n; ++i) handle(events[i]);
    next_.swap(ready_);
    for (Connection* connection : next_) {
      connection->is_ready = false;
      serve(*connection);
    }
    next_.clear();
    if (now_ns_ >= next_sweep_ns_) sweep();
    if (draining_.load(std::memory_order_relaxed) && !drains_) begin_drain();
    if (drains_ && free_.size() == slots_.size()) break;
  }
  for (const auto& connection : slots_)
    if (connection) close(*connection);
  listeners_.clear();
}

void Loop::handle(const epoll_event& event) noexcept {
  if (event.data.u64 == kWakeTag) {
    uint64_t count = 0;
    (void)!read(wake_.get(), &count, sizeof count);
    woken_.store(false, std::memory_order_seq_cst);  // before the look at what there is
    service_.deliver();
    return;
  }
  if (event.data.u64 & kListenerTag) {
    accept_some(static_cast<int>(event.data.u64 & ~kListenerTag));
    return;
  }
  Connection* connection = slots_[event.data.u64].get();
  if (!connection) return;
  if (event.events & (EPOLLIN | EPOLLRDHUP)) connection->readable = true;
  if (event.events & EPOLLRDHUP) connection->hung_up = true;
  if (event.events & EPOLLOUT) connection->writable = true;
  if (event.events & (EPOLLERR | EPOLLHUP)) {
    close(*connection);
    return;
  }
  make_ready(*connection);
}

void Loop::make_ready(Connection& connection) noexcept {
  if (connection.is_ready) return;
  connection.is_ready = true;
  ready_.push_back(&connection);
}

void Loop::answered(void* owner) noexcept { make_ready(*static_cast<Connection*>(owner)); }

void Loop::add(Descriptor fd) noexcept {
  const int on = 1;
  (void)setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int number = fd.get();
  uint32_t slot = 0;
  try {
    if (free_.empty()) {
      slots_.reserve(slots_.size() + 1);
      deadlines_.reserve(slots_.size() + 1);
      free_.reserve(slots_.size() + 1);
      ready_.reserve(slots_.size() + 1);
      next_.reserve(slots_.size() + 1);
      slots_.emplace_back();
      deadlines_.push_back(kNever);
      free_.push_back(static_cast<uint32_t>(slots_.size() - 1));
    }
    slot = free_.back();
    slots_[slot] = std::make_unique<Connection>(shared_, std::move(fd));
  } catch (const std::bad_alloc&) {
    connections_.open.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  free_.pop_back();
  Connection& made = *slots_[slot];
  made.slot = slot;
  made.since_ns = now_ns_;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = slot;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, number, &event) != 0) return close(made);
  made.readable = true;  // what it sent may be there already
  make_ready(made);
}

// One of the connection's turns: reads, answers, sends.
void Loop::serve(Connection& connection) noexcept {
  if (connection.lingers) return linger(connection);
  for (int reads = 0;; ++reads) {
    if (!write_some(connection)) return close(connection);
    if (connection.session.is_last() && connection.session.pending().empty())
      return linger(connection);
    if (!connection.readable) break;
    if (reads == kReadsATurn) {
      make_ready(connection);
      break;
    }
    if (!read_some(connection)) break;
  }
  set_deadline(connection);
}

// False where there is nothing to read, or no room for it now.
bool Loop::read_some(Connection& connection) noexcept {
  const std::span<char> room = connection.session.room();
  if (room.empty()) return connection.session.is_last();
  const ssize_t n = recv(connection.fd.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (n > 0) {
    // With less than there was room for it is empty, unless the end is behind it.
    if (static_cast<size_t>(n) < room.size() && !connection.hung_up) connection.readable = false;
    connection.session.received(static_cast<size_t>(n));
    return true;
  }
  if (n < 0 && errno == EINTR) return true;
  connection.readable = false;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    connection.session.received(0);
    return false;
  }
  connection.session.ended();
  if (n < 0) connection.session.abandon();
  return true;
}

// False if the connection is broken.
bool Loop::write_some(Connection& connection) noexcept {
  while (!connection.session.pending().empty()) {
    connection.sending.start(now_ns_, connection.session.pending().size());
    if (!connection.writable) return true;
    const std::span<const char> out = connection.session.pending();
    const ssize_t n = send(connection.fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
    if (n > 0) {
      connection.session.sent(static_cast<size_t>(n));
      connection.sending.took(now_ns_, static_cast<size_t>(n), connection.session.pending().size());
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
    connection.writable = false;
  }
  return true;
}

// Closing a socket with unread bytes takes the answer back that was sent last; so what still comes
// is read and dropped for a while.
void Loop::linger(Connection& connection) noexcept {
  if (!connection.lingers) {
    connection.lingers = true;
    connection.to_discard = kDiscardMax;
    connection.session.abandon();
    shutdown(connection.fd.get(), SHUT_WR);
    deadlines_[connection.slot] = now_ns_ + kLingerNs;
  }
  char dropped[4096];
  while (connection.to_discard > 0) {
    const ssize_t n = recv(connection.fd.get(), dropped, sizeof dropped, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n <= 0) return close(connection);
    connection.to_discard -= std::min(connection.to_discard, static_cast<size_t>(n));
  }
  close(connection);
}

void Loop::set_deadline(Connection& connection) noexcept {
  const http1::Session& session = connection.session;
  if (session.phase() != connection.phase || session.requests() != connection.request) {
    // The header's time begins with its first byte, and goes on where the first line was there.
    connection.phase = session.phase();
    connection.request = session.requests();
    connection.since_ns = now_ns_;
  }
  int64_t deadline = kNever;
  if (session.phase() == Phase::kIdle)  // since its last request or answer, not its last byte
    deadline = std::max(connection.since_ns, connection.sending.progressed_ns()) + limits_.idle_ns;
  if (session.phase() == Phase::kHead) deadline = connection.since_ns + limits_.header_ns;
  if (session.phase() == Phase::kBody) deadline = connection.since_ns + limits_.body_ns;
  if (connection.sending.runs()) deadline = connection.sending.deadline_ns(limits_);
  deadlines_[connection.slot] = deadline;
}

void Loop::close(Connection& connection) noexcept {
  const uint32_t slot = connection.slot;
  if (connection.is_ready) std::erase(ready_, &connection);
  connection.session.abandon();
  shutdown(connection.fd.get(), SHUT_RDWR);  // a forked child may have it, too
  deadlines_[slot] = kNever;
  free_.push_back(slot);
  slots_[slot].reset();
  connections_.open.fetch_sub(1, std::memory_order_relaxed);
}

void Loop::sweep() noexcept {
  next_sweep_ns_ = now_ns_ + kSweepNs;
  if (pauses_) pause_accepting(false);
  for (size_t slot = 0; slot < deadlines_.size(); ++slot) {
    if (deadlines_[slot] > now_ns_) continue;
    Connection& connection = *slots_[slot];
    const bool tells = !connection.lingers && !connection.sending.runs();
    if (!connection.lingers) connections_.timed_out.fetch_add(1, std::memory_order_relaxed);
    if (!tells) {
      close(connection);
      continue;
    }
    connection.session.timed_out();
    const bool is_told = !connection.session.pending().empty();
    if (!is_told || !write_some(connection))
      close(connection);
    else if (connection.session.pending().empty())
      linger(connection);
    else
      set_deadline(connection);
  }
}

// What has come before this moment is answered; who has asked nothing is sent away.
void Loop::begin_drain() noexcept {
  drains_ = true;
  shared_.closing = true;
  for (const Descriptor& listener : listeners_) {
    for (int turn = 0; turn < kDrainTurns && accept_some(listener.get());) ++turn;
    // Its descriptor may live on in a forked child, and would take connections there.
    shutdown(listener.get(), SHUT_RD);
  }
  listeners_.clear();
  next_.swap(ready_);
  for (Connection* connection : next_) {
    connection->is_ready = false;
    serve(*connection);
  }
  next_.clear();
  for (const auto& connection : slots_) {
    if (!connection || connection->is_ready) continue;
    connection->readable = true;
    serve(*connection);
  }
  for (const auto& connection : slots_)
    if (connection && connection->session.phase() == Phase::kIdle &&
        connection->session.pending().empty() && !connection->lingers)
      close(*connection);
}

}  // namespace spinney::server::loop
