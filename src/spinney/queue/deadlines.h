// Deadlines: a wheel of all requests with a deadline that are not yet answered, wherever they are:
// queued, following another, or running. Adding and removing take constant time.
#pragma once

#include <array>
#include <cstdint>

#include "spinney/request/node.h"

namespace spinney::queue {

class Deadlines {
 public:
  void add(request::Node* node) noexcept;     // does nothing if it is in the wheel
  void remove(request::Node* node) noexcept;  // does nothing unless it is in the wheel
  // Removes one whose deadline is not after now; null when there is none left.
  request::Node* pop_due(int64_t now_ns) noexcept;
  // Not after the earliest deadline, and after now if pop_due(now) gave null; kNever if empty.
  int64_t next_ns() const noexcept;
  // Exactly; kNever if empty.
  int64_t earliest_ns() noexcept;

 private:
  static constexpr int kTickBits = 19;  // about half a millisecond
  static constexpr int64_t kSlots = 512;
  std::array<request::Node*, kSlots> slots_{};
  int64_t tick_ = 0;  // everything before this tick is gone
  size_t count_ = 0;
  int64_t earliest_ns_ = kNever;  // unless one that early has left since
  bool earliest_left_ = false;
};

}  // namespace spinney::queue
