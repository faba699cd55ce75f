// Exchange: one request and its answer, between whoever has the bytes (Session) and whoever knows
// what they mean (Handler).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/bytes/bytes.h"
#include "server/http1/message.h"

namespace spinney::server::http1 {

class Session;

struct AnswerHead {
  int status = 200;
  std::string_view type = "application/json";
  int64_t retry_after_s = 0;  // 0: not said
  size_t json_bytes = 0;      // Inference-Header-Content-Length; 0: not said
  std::string_view allow;     // of 405
  std::string_view encoding;  // Content-Encoding
};

class Exchange {
 public:
  const Head& head() const { return head_; }
  // Whole, and as it was sent but for chunks. Both are there until the answer is.
  std::string_view body() const { return body_; }
  // When its last byte had been read, on the server's clock.
  int64_t arrived_ns() const { return arrived_ns_; }

  // Where the answer's body is written, behind what is there already; ended by finish(). What was
  // written since begin() can be dropped by beginning anew.
  Bytes& begin() noexcept;
  void finish(const AnswerHead& head) noexcept;
  // {"error": message}, with a Retry-After where one is given.
  void refuse(int status, std::string_view message, int64_t retry_after_s = 0,
              std::string_view allow = {}) noexcept;
  bool finished() const { return finished_; }
  // Of a pending request: what finish() wrote is to be sent now.
  void resume() noexcept;

  // Whatever the handler has for a request that it answers later; null once it is answered.
  void* pending = nullptr;

 private:
  friend class Session;
  explicit Exchange(Session& session) : session_(session) {}
  Session& session_;
  Head head_;
  std::string_view body_;
  int64_t arrived_ns_ = 0;
  bool finished_ = false;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Answers it before it returns, or sets `pending` and answers it later, on the same thread:
  // finish(), then resume().
  virtual void handle(Exchange& exchange) noexcept = 0;
  // Nobody waits for the pending answer any more, and the exchange goes.
  virtual void abandoned(Exchange& exchange) noexcept = 0;
};

}  // namespace spinney::server::http1
