// The door of this room: answers go back to their callers, many at a time.
#pragma once

#include <atomic>
#include <cstdint>

#include "spinney/base/futex.h"
#include "spinney/request/node.h"

namespace spinney::response {

// Requests that are to be told, in order, linked by done_next.
class DoneList {
 public:
  void add(request::Node* node) noexcept {
    node->done_next = nullptr;
    (last_ ? last_->done_next : first_) = node;
    last_ = node;
  }
  bool empty() const noexcept { return first_ == nullptr; }
  const request::Node* first() const noexcept { return first_; }
  request::Node* first() noexcept { return first_; }
  request::Node* take() noexcept {
    request::Node* list = first_;
    first_ = last_ = nullptr;
    return list;
  }

 private:
  request::Node* first_ = nullptr;
  request::Node* last_ = nullptr;
};

// Tells the callers of a list (linked by done_next) on this thread; each completion is given as
// many at once as it has. The nodes are not given back. No lock may be held.
void tell(request::Node* list) noexcept;

// Where answers wait for the thread that tells completions that may block.
class Mailbox {
 public:
  // Each node must have its keeper set.
  void post(request::Node* list) noexcept;
  // Tells everything that waits and gives the nodes back to their keepers; false if nothing did.
  bool deliver() noexcept;
  // Until something is posted, or close() is called; false once it is closed and empty.
  bool wait() noexcept;
  void close() noexcept;
  // Answers that wait or are being told.
  uint64_t pending() const noexcept { return pending_.load(); }

 private:
  std::atomic<request::Node*> head_{nullptr};
  std::atomic<uint64_t> pending_{0};
  std::atomic<uint32_t> posts_{0};
  std::atomic<uint32_t> sleeping_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace spinney::response
