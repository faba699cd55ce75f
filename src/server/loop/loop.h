// Loop: one thread that accepts connections on its own listeners and serves them, by epoll.
//
// A turn of it takes all that is readable, runs each request that is whole, and sends its answer by
// one write. What completes on other threads is announced by wake(). Connections never block it:
// a slow reader's answer stays with the connection, and its next request is not read meanwhile.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "server/bytes/bytes.h"
#include "server/http1/session.h"
#include "server/loop/listener.h"
#include "server/loop/send_clock.h"
#include "spinney/base/clock.h"
#include "spinney/base/result.h"

namespace spinney::server::loop {

// Who answers, on the loop's thread.
class Service : public http1::Handler {
 public:
  // Answers what completed on other threads since the last time.
  virtual void deliver() noexcept = 0;
};

// Of all loops of a server together.
struct Connections {
  explicit Connections(size_t at_most) : most(at_most) {}
  const size_t most;
  std::atomic<size_t> open{0};
  std::atomic<uint64_t> accepted{0}, refused{0}, timed_out{0};
};

class Loop final : private http1::Sink {
 public:
  static Result<std::unique_ptr<Loop>> make(const http1::Limits& limits, Connections& connections,
                                            Budget& budget, Service& service,
                                            std::vector<Descriptor> listeners);
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Until stop(), on the caller's thread.
  void run() noexcept;
  // From any thread: has deliver() called.
  void wake() noexcept;
  // From any thread. Takes no new connections, ends those that ask nothing, answers what was begun,
  // and then returns from run().
  void drain() noexcept;
  // From any thread. Ends all connections and returns from run().
  void stop() noexcept;

  // In a forked child, where nobody runs it: closes its listeners, which would take connections
  // that nobody serves once the parent has gone. All else is left as it was.
  void abandon() noexcept;

  const http1::Counts& counts() const { return counts_; }

 private:
  static constexpr uint64_t kListenerTag = uint64_t{1} << 63;  // of epoll's events
  static constexpr int64_t kSweepNs = 250 * kMillisecond;
  struct Connection {
    Connection(http1::Shared& shared, Descriptor socket)
        : session(shared, this), fd(std::move(socket)) {}
    http1::Session session;
    Descriptor fd;
    uint32_t slot = 0;
    bool readable = false, writable = true, hung_up = false, is_ready = false, lingers = false;
    size_t to_discard = 0;
    http1::Session::Phase phase = http1::Session::Phase::kIdle;
    uint64_t request = 0;
    int64_t since_ns = 0;  // this phase of this request
    SendClock sending;
  };

  Loop(const http1::Limits& limits, Connections& connections, Budget& budget, Service& service,
       std::vector<Descriptor> listeners);
  Status open() noexcept;
  void answered(void* owner) noexcept override;
  bool accept_some(int listener) noexcept;
  void add(Descriptor fd) noexcept;
  bool drop_one(int listener) noexcept;
  void refuse(Descriptor fd) noexcept;
  void pause_accepting(bool pause) noexcept;
  void handle(const epoll_event& event) noexcept;
  void make_ready(Connection& connection) noexcept;
  void serve(Connection& connection) noexcept;
  bool read_some(Connection& connection) noexcept;
  bool write_some(Connection& connection) noexcept;
  void linger(Connection& connection) noexcept;
  void set_deadline(Connection& connection) noexcept;
  void close(Connection& connection) noexcept;
  void sweep() noexcept;
  void begin_drain() noexcept;
  int wait_ms() const noexcept;

  const http1::Limits& limits_;
  Connections& connections_;
  Service& service_;
  Spares spares_;
  http1::Counts counts_;
  http1::Shared shared_;
  Descriptor epoll_, wake_, reserve_;
  std::vector<Descriptor> listeners_;
  std::vector<std::unique_ptr<Connection>> slots_;
  std::vector<uint32_t> free_;
  std::vector<int64_t> deadlines_;  // by slot, side by side, since all are looked at now and then
  std::vector<Connection*> ready_, next_;
  int64_t now_ns_ = 0, next_sweep_ns_ = 0;
  std::atomic<bool> woken_{false}, draining_{false}, stopping_{false};
  bool drains_ = false, pauses_ = false;
};

}  // namespace spinney::server::loop
