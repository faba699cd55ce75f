// What one connection may ask for, and for how long.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spinney/base/clock.h"

namespace spinney::server::http1 {

struct Limits {
  size_t header_bytes = size_t{16} << 10;  // of the request line and all header fields
  size_t header_fields = 100;
  size_t body_bytes = size_t{64} << 20;
  size_t pending_answer_bytes = size_t{1} << 20;  // unread; the next request waits beyond it
  int64_t idle_ns = 75 * kSecond;                 // between requests
  int64_t header_ns = 10 * kSecond;               // from the first byte to the header's end
  int64_t body_ns = 60 * kSecond;                 // and from there to the body's end
  int64_t send_ns = 30 * kSecond;                 // in which a reader must take something
  int64_t send_total_ns = 600 * kSecond;          // and all of it
};

}  // namespace spinney::server::http1
