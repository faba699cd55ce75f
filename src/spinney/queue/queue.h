// The door of this room: Levels, the order in which a lane's requests are served.
//
// Within a level the earliest order comes first: the deadline, but at most kUndatedNs after the
// arrival, which is also when a request without a deadline counts as due. Levels share the rows
// that are served by weight, 81 : 27 : 9 : 3 : 1 from kCritical to kBackground: of the levels that
// have requests it is the turn of the one that has had least for its weight, of the more urgent one
// on a tie. A level that was empty has no claim on what it missed.
//
// So no level starves: while a level has requests, and has n rows served, each other level j has at
// most weight(j) / weight(level) * (n + p) + p(j) rows served in turn, where p and p(j) are the
// most rows that were taken of either at a time (a piece: a whole request, or a batch of a longer
// one). This is so whatever the types, kinds and sizes of the requests, because a batch takes only
// those whose turn it is, and those of other levels (out of turn, uncharged) only where its own
// cost makes room for them (Lane::spare_rows).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "spinney/queue/ordered.h"
#include "spinney/request/node.h"

namespace spinney::queue {

inline constexpr int64_t kUndatedNs = kSecond;
inline constexpr std::array<uint64_t, kPriorities> kWeights = {81, 27, 9, 3, 1};
inline constexpr size_t kAnyClass = request::kClasses;

// Where a request stands within its level, earliest first.
inline int64_t order_of(int64_t deadline_ns, int64_t submitted_ns) noexcept {
  return std::min(deadline_ns, submitted_ns + kUndatedNs);
}

struct Turn {
  request::Node* node = nullptr;
  bool in_turn = false;  // no other level had less for its weight
};

class Levels {
 public:
  // An entry for the node's leader's rows, in the node's own level and order.
  void push(request::Node* node) noexcept;
  // Whose turn it is among requests of one class, or of any. Entries whose leader has no rows left
  // to run are put aside on the way.
  Turn next(size_t wanted_class) noexcept;
  request::Node* front(size_t wanted_class) noexcept { return next(wanted_class).node; }
  void pop(request::Node* node) noexcept;  // must be what next() gave
  // Counts rows of the level that were served in its turn.
  void charge(Priority level, size_t rows) noexcept;
  // Requests of the level wait elsewhere (batches to be tried again), and have their turn with it.
  void enter(Priority level) noexcept;
  void leave(Priority level) noexcept {
    --at(level).elsewhere;
    end_waiting(at(level));
  }
  // When the first in order of arrival was submitted, or with those that come in order of their
  // deadlines the first of either; kNever if there is none.
  int64_t oldest_ns(Priority level, bool dated) const noexcept;
  // What the level has had for its weight. It is the turn of the one with the least.
  uint64_t pass(Priority level) const noexcept { return levels_[static_cast<size_t>(level)].pass; }

  // An entry has lost its purpose; enough of those are swept out together.
  void note_dead() noexcept;
  void sweep_if_worthwhile() noexcept;
  // Entries that were put aside, linked by `next`; each had a hold on its node.
  request::Node* take_dropped() noexcept;
  bool empty() const noexcept { return entries_ == 0; }
  size_t entries() const noexcept { return entries_; }

 private:
  struct Level {
    std::array<Ordered, request::kClasses> classes;
    uint64_t pass = 0;  // rows served, over the weight
    size_t entries = 0;
    size_t elsewhere = 0;
    uint32_t filled = 0;  // bit c: classes[c] may not be empty
  };
  Level& at(Priority level) noexcept { return levels_[static_cast<size_t>(level)]; }
  void begin_waiting(Level& level) noexcept;
  void end_waiting(const Level& level) noexcept {
    if (level.entries + level.elsewhere == 0) waiting_ &= ~(1u << (&level - levels_.data()));
  }
  request::Node* first_of(Level& level, size_t wanted_class) noexcept;
  void drop(request::Node* node) noexcept;
  void sweep() noexcept;

  std::array<Level, kPriorities> levels_;
  uint32_t waiting_ = 0;       // bit l: levels_[l] has entries, or requests elsewhere
  uint64_t virtual_time_ = 0;  // the pass of the level whose turn came last: the least then
  uint64_t arrivals_ = 0;
  size_t entries_ = 0;
  size_t dead_ = 0;
  request::Node* dropped_ = nullptr;
};

}  // namespace spinney::queue
