// Intake: where submitters leave requests without a lock; whoever has the lane's lock takes them
// all.
#pragma once

#include <atomic>

#include "spinney/request/node.h"

namespace spinney::queue {

class Intake {
 public:
  void push(request::Node* node) noexcept {
    request::Node* head = head_.load(std::memory_order_relaxed);
    do {
      node->next = head;
    } while (!head_.compare_exchange_weak(head, node, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
  }
  bool empty() const noexcept { return head_.load(std::memory_order_seq_cst) == nullptr; }
  // All of them, in the order in which they came, linked by `next`.
  request::Node* take_all() noexcept {
    if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    request::Node* node = head_.exchange(nullptr, std::memory_order_acquire);
    request::Node* in_order = nullptr;
    while (node) {
      request::Node* next = node->next;
      node->next = in_order;
      in_order = node;
      node = next;
    }
    return in_order;
  }

 private:
  alignas(64) std::atomic<request::Node*> head_{nullptr};
};

}  // namespace spinney::queue
