// Parser: one request of HTTP/1.1 or 1.0 from its bytes, by Boost.Beast's parser, and stricter:
// what proxies are known to read otherwise than servers do is refused (two lengths, a length beside
// chunks, folded fields, codings other than chunked, no Host or two).
//
// It holds no bytes. The same bytes are given again, with more behind them, until it has used them.
#pragma once

#include <cstddef>

#include "server/bytes/bytes.h"
#include "server/http1/limits.h"
#include "server/http1/message.h"

namespace spinney::server::http1 {

// What a request that is no HTTP is answered with; the connection is closed behind it.
struct Fault {
  int status = 0;  // 0: none
  const char* message = "";
};

class Parser {
 public:
  Parser() { restart(); }
  ~Parser() { destroy(); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // For the next request.
  void restart();
  // Reads the head from the begin of these bytes. How many it has, once it is whole; else 0, with
  // or without a fault.
  size_t read_head(const char* data, size_t size, const Limits& limits, Head& head, Fault& fault);
  // Of a chunked body: appends what the chunks hold, and says how many bytes of these are used.
  // `done` once the last one is read.
  size_t read_chunks(const char* data, size_t size, const Limits& limits, Bytes& body, bool& done,
                     Fault& fault);

 private:
  class Machine;
  static constexpr size_t kMachineBytes = 320;
  Machine* machine() noexcept;
  void destroy() noexcept;
  bool made_ = false;
  size_t done_ = 0;  // bytes of the head that the machine has taken
  alignas(16) unsigned char place_[kMachineBytes];
};

}  // namespace spinney::server::http1
