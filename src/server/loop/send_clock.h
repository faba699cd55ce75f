// SendClock: how long a reader may take for what it is sent. It must take something within one
// time, and all that lay there within another, which begins anew once it has: a client that asks
// on and on is no slow reader, though it never has read everything.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "server/http1/limits.h"

namespace spinney::server::loop {

class SendClock {
 public:
  bool runs() const noexcept { return begun_ns_ != 0; }
  int64_t progressed_ns() const noexcept { return progressed_ns_; }
  // So much is to be sent now.
  void start(int64_t now_ns, size_t pending) noexcept {
    if (runs()) return;
    begun_ns_ = progressed_ns_ = now_ns;
    left_ = pending;
  }
  // It took so much, and that is what there is then.
  void took(int64_t now_ns, size_t bytes, size_t pending) noexcept {
    progressed_ns_ = now_ns;
    left_ -= std::min(left_, bytes);
    if (left_ > 0) return;
    begun_ns_ = pending > 0 ? now_ns : 0;
    left_ = pending;
  }
  int64_t deadline_ns(const http1::Limits& limits) const noexcept {
    return std::min(progressed_ns_ + limits.send_ns, begun_ns_ + limits.send_total_ns);
  }

 private:
  int64_t begun_ns_ = 0;  // 0: nothing is to be sent
  int64_t progressed_ns_ = 0;
  size_t left_ = 0;  // of what lay there when it began
};

}  // namespace spinney::server::loop
