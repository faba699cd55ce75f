// The one map of what went wrong to HTTP's status.
#pragma once

#include <cstdint>

#include "spinney/base/result.h"

namespace spinney::server::protocol {

constexpr int http_status(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kUnsupported:
      return 400;
    case Code::kNotFound:
      return 404;
    case Code::kTooLarge:
      return 413;
    case Code::kQueueFull:
      return 429;
    case Code::kCancelled:
      return 499;
    case Code::kThrottled:
    case Code::kShutDown:
      return 503;
    case Code::kExpired:
      return 504;
    case Code::kCorrupt:
    case Code::kIo:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

// Whole seconds, at least one, for refusals that a later try may not meet; 0 for all others.
constexpr int64_t retry_after_s(Code code, int64_t retry_after_ns) {
  if (code != Code::kQueueFull && code != Code::kThrottled && code != Code::kShutDown) return 0;
  constexpr int64_t kSecondNs = 1'000'000'000, kMost = 3600;
  const int64_t seconds = retry_after_ns / kSecondNs + (retry_after_ns % kSecondNs != 0);
  return seconds < 1 ? 1 : seconds > kMost ? kMost : seconds;
}

}  // namespace spinney::server::protocol
