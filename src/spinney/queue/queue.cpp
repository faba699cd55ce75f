#include "spinney/queue/queue.h"

#include <algorithm>

namespace spinney::queue {

using request::Node;

namespace {

// So few are not worth a sweep. Small enough for the simulation's short queues to be swept often.
constexpr size_t kDeadAtLeast = 8;

bool is_dead(const Node* node) { return !node->leader->has_runnable_rows(); }

}  // namespace

void Levels::begin_waiting(Level& level) noexcept {
  if (level.entries + level.elsewhere > 0) return;
  level.pass = std::max(level.pass, virtual_time_);
  waiting_ |= 1u << (&level - levels_.data());
}

void Levels::enter(Priority priority) noexcept {
  Level& level = at(priority);
  begin_waiting(level);
  ++level.elsewhere;
}

void Levels::push(Node* node) noexcept {
  Level& level = at(node->priority);
  begin_waiting(level);
  node->order = order_of(node->deadline_ns, node->submitted_ns);
  if (node->turn_ns != kNever) node->order = node->turn_ns;
  node->arrival = arrivals_++;
  node->queued = true;
  ++node->holds;
  level.classes[node->class_of()].push(node);
  level.filled |= 1u << node->class_of();
  ++level.entries;
  ++entries_;
}

Node* Levels::first_of(Level& level, size_t wanted_class) noexcept {
  Node* best = nullptr;
  for (uint32_t filled = level.filled; filled != 0; filled &= filled - 1) {
    const auto c = static_cast<size_t>(__builtin_ctz(filled));
    if (wanted_class != kAnyClass && c != wanted_class) continue;
    Ordered& ordered = level.classes[c];
    Node* node = ordered.front();
    while (node && is_dead(node)) {
      pop(node);
      drop(node);
      node = ordered.front();
    }
    if (!node) {
      level.filled &= ~(1u << c);
      continue;
    }
    if (!best || node->order < best->order ||
        (node->order == best->order && node->arrival < best->arrival))
      best = node;
  }
  return best;
}

Turn Levels::next(size_t wanted_class) noexcept {
  Turn turn;
  const Level* least = nullptr;  // of the levels that have anything to run, of whichever class
  uint64_t pass = 0;             // of turn.node's level
  for (uint32_t waiting = waiting_; waiting != 0; waiting &= waiting - 1) {
    Level& level = levels_[static_cast<size_t>(__builtin_ctz(waiting))];
    const bool less = !least || level.pass < least->pass;
    if (level.entries > 0 && (!turn.node || level.pass < pass))
      if (Node* node = first_of(level, wanted_class)) {
        turn.node = node;
        pass = level.pass;
        if (less) least = &level;
        continue;
      }
    if (!less) continue;
    if (level.elsewhere > 0 ||
        (wanted_class != kAnyClass && level.entries > 0 && first_of(level, kAnyClass)))
      least = &level;
  }
  turn.in_turn = turn.node && least == &at(turn.node->priority);
  return turn;
}

int64_t Levels::oldest_ns(Priority priority, bool dated) const noexcept {
  int64_t oldest = kNever;
  for (const Ordered& ordered : levels_[static_cast<size_t>(priority)].classes) {
    if (const Node* node = ordered.oldest()) oldest = std::min(oldest, node->submitted_ns);
    if (const Node* node = dated ? ordered.front() : nullptr)
      oldest = std::min(oldest, node->submitted_ns);
  }
  return oldest;
}

void Levels::pop(Node* node) noexcept {
  Level& level = at(node->priority);
  level.classes[node->class_of()].pop(node);
  --level.entries;
  --entries_;
  node->queued = false;
  end_waiting(level);
}

void Levels::charge(Priority priority, size_t rows) noexcept {
  Level& level = at(priority);
  virtual_time_ = std::max(virtual_time_, level.pass);
  level.pass += rows * (kWeights[0] / kWeights[static_cast<size_t>(priority)]);
}

void Levels::drop(Node* node) noexcept {
  node->next = dropped_;
  dropped_ = node;
  if (dead_ > 0) --dead_;
}

void Levels::note_dead() noexcept {
  ++dead_;
  sweep_if_worthwhile();
}

// Where nothing else is queued nobody would come by and drop them, so they go at once.
void Levels::sweep_if_worthwhile() noexcept {
  if (dead_ > 0 && (dead_ >= entries_ || (dead_ > kDeadAtLeast && dead_ > entries_ / 2))) sweep();
}

void Levels::sweep() noexcept {
  for (Level& level : levels_)
    for (Ordered& ordered : level.classes) {
      Node* kept = nullptr;
      while (Node* node = ordered.front()) {  // in order, so that runs stay runs
        ordered.pop(node);
        if (is_dead(node)) {
          --level.entries;
          --entries_;
          node->queued = false;
          drop(node);
        } else {
          node->next = kept;
          kept = node;
        }
      }
      Node* in_order = nullptr;
      while (kept) {
        Node* next = kept->next;
        kept->next = in_order;
        in_order = kept;
        kept = next;
      }
      while (in_order) {
        Node* next = in_order->next;
        ordered.push(in_order);
        in_order = next;
      }
    }
  for (const Level& level : levels_) end_waiting(level);
  dead_ = 0;
}

Node* Levels::take_dropped() noexcept {
  Node* list = dropped_;
  dropped_ = nullptr;
  return list;
}

}  // namespace spinney::queue
