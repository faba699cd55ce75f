#include "spinney/queue/deadlines.h"

#include <algorithm>

namespace spinney::queue {

using request::Node;

void Deadlines::add(Node* node) noexcept {
  if (node->deadline_ns == kNever || node->in_wheel) return;
  // A deadline already past goes where it is found first.
  const int64_t tick = std::max(node->deadline_ns >> kTickBits, tick_);
  Node*& slot = slots_[static_cast<size_t>(tick % kSlots)];
  node->due_previous = nullptr;
  node->due_next = slot;
  if (slot) slot->due_previous = node;
  slot = node;
  node->due_slot = static_cast<uint16_t>(tick % kSlots);
  node->in_wheel = true;
  ++count_;
  earliest_ns_ = std::min(earliest_ns_, node->deadline_ns);
}

void Deadlines::remove(Node* node) noexcept {
  if (!node->in_wheel) return;
  if (node->due_previous)
    node->due_previous->due_next = node->due_next;
  else
    slots_[node->due_slot] = node->due_next;
  if (node->due_next) node->due_next->due_previous = node->due_previous;
  node->due_next = node->due_previous = nullptr;
  node->in_wheel = false;
  --count_;
  if (node->deadline_ns <= earliest_ns_) earliest_left_ = true;
}

Node* Deadlines::pop_due(int64_t now_ns) noexcept {
  const int64_t now_tick = now_ns >> kTickBits;
  if (count_ == 0) {
    tick_ = std::max(tick_, now_tick);
    return nullptr;
  }
  // After a long pause one turn finds everything that is due.
  tick_ = std::max(tick_, now_tick - (kSlots - 1));
  for (;; ++tick_) {
    for (Node* node = slots_[static_cast<size_t>(tick_ % kSlots)]; node; node = node->due_next)
      if (node->deadline_ns <= now_ns) {
        remove(node);
        return node;
      }
    if (tick_ >= now_tick) return nullptr;
  }
}

int64_t Deadlines::next_ns() const noexcept {
  if (count_ == 0) return kNever;
  for (int64_t tick = tick_; tick < tick_ + kSlots; ++tick) {
    int64_t next = kNever;
    for (const Node* node = slots_[static_cast<size_t>(tick % kSlots)]; node; node = node->due_next)
      if (node->deadline_ns >> kTickBits <= tick) next = std::min(next, node->deadline_ns);
    if (next != kNever) return next;
  }
  return (tick_ + kSlots) << kTickBits;
}

int64_t Deadlines::earliest_ns() noexcept {
  if (!earliest_left_) return earliest_ns_;
  earliest_ns_ = kNever;
  earliest_left_ = false;
  for (const Node* node : slots_)
    for (; node; node = node->due_next) earliest_ns_ = std::min(earliest_ns_, node->deadline_ns);
  return earliest_ns_;
}

}  // namespace spinney::queue
