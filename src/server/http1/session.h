// Session: the bytes of one connection, without the connection. What came is put into room(), what
// is to be sent lies in pending(); in between requests are read one after the other and answered by
// the Handler. Whoever has the socket, a test or a fuzzer drives it.
//
//   std::span<char> to = session.room();
//   session.received(read(fd, to.data(), to.size()));
//   session.sent(write(fd, session.pending().data(), session.pending().size()));
//
// Requests of one connection are answered in their order. While one waits for its answer, or the
// peer does not read what it was answered, no more than a buffer is read of those behind it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "server/bytes/bytes.h"
#include "server/http1/exchange.h"
#include "server/http1/limits.h"
#include "server/http1/parser.h"
#include "spinney/base/clock.h"

namespace spinney::server::http1 {

// Told on the sessions' thread when a request that was pending is answered.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void answered(void* owner) noexcept = 0;
};

// Read by others.
struct Counts {
  std::atomic<uint64_t> requests{0};                        // that were begun to be answered
  std::atomic<uint64_t> refused{0};                         // of those, that were no HTTP
  std::atomic<uint64_t> abandoned{0};                       // of those, that got no answer
  std::atomic<uint64_t> answers[6] = {};                    // by the status's first digit
  static void add(std::atomic<uint64_t>& count) noexcept {  // each has one writer
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
};

// What sessions of one thread share.
struct Shared {
  const Limits& limits;
  Handler& handler;
  Spares& spares;
  const Clock& clock;
  Counts& counts;
  Sink* sink = nullptr;
  bool closing = false;  // each answer from now on is its connection's last
};

class Session {
 public:
  enum class Phase : uint8_t { kIdle, kHead, kBody, kAnswer, kClosing };

  explicit Session(Shared& shared, void* owner = nullptr)
      : shared_(shared), owner_(owner), exchange_(*this) {}
  ~Session() { abandon(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Empty where nothing may be read at the moment.
  std::span<char> room() noexcept;
  void received(size_t bytes) noexcept;
  // The peer sends no more. What it asked before is answered.
  void ended() noexcept { ended_ = true; }
  // The pending request was finished.
  void answered() noexcept;
  // The request under way took too long, and is answered with that.
  void timed_out() noexcept;

  std::span<const char> pending() const noexcept {
    return {out_.data() + out_first_, out_.size() - out_first_};
  }
  void sent(size_t bytes) noexcept;

  // Once what is pending is sent there is nothing more to come.
  bool is_last() const noexcept { return last_ || (ended_ && phase_ != Phase::kAnswer); }
  Phase phase() const noexcept { return phase_; }
  uint64_t requests() const noexcept { return requests_; }  // that were begun to be read
  // Nobody waits for answers any more.
  void abandon() noexcept;

 private:
  friend class Exchange;
  void process() noexcept;
  bool read_head() noexcept;
  bool read_body() noexcept;
  bool begin_body() noexcept;
  void dispatch() noexcept;
  void end_request() noexcept;
  void refuse(const Fault& fault) noexcept;
  void give_back() noexcept;
  void finish(const AnswerHead& head) noexcept;
  void finish_without_memory() noexcept;
  void place_head(std::string_view text) noexcept;
  void drop_sent() noexcept;

  Shared& shared_;
  void* owner_;
  Exchange exchange_;
  Parser parser_;
  Phase phase_ = Phase::kIdle;
  bool ended_ = false;
  bool last_ = false;
  bool processing_ = false;
  bool half_line_ = false;  // a carriage return between requests, which is not kept
  uint64_t requests_ = 0;
  size_t head_bytes_ = 0;     // of the request at hand, at the begin of in_
  size_t request_bytes_ = 0;  // with its body, where that lies behind it
  Bytes in_;
  Bytes chunks_;  // the body, where it came in such
  Bytes out_;
  size_t out_first_ = 0;  // what is not sent yet begins here
  // Where the answer that is being written begins, and its body, which leaves room for the head;
  // 0: there was no memory for that room.
  size_t answer_first_ = 0, body_first_ = 0;
  bool writes_ = false;   // an answer is begun and not finished
  bool refuses_ = false;  // in its place, that there was no memory for it
};

}  // namespace spinney::server::http1
