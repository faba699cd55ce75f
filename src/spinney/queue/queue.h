// The door of this room: Levels, the order in which a lane's requests are served.
//
// Within a level the earliest deadline comes first; a request without one counts as due kUndatedNs
// after its arrival. Levels share the rows that are served by weight, 81 : 27 : 9 : 3 : 1 from
// kCritical to kBackground: of the levels that have requests the one is served that has had least
// for its weight, the more urgent one on a tie. A level that was empty has no claim on what it
// missed.
//
// So no level starves: while a level has requests, each other level j is served at most
// weight(j) / weight(level) rows for each row of it, and one piece (at most a batch) more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "spinney/queue/ordered.h"
#include "spinney/request/node.h"

namespace spinney::queue {

inline constexpr int64_t kUndatedNs = kSecond;
inline constexpr std::array<uint64_t, kPriorities> kWeights = {81, 27, 9, 3, 1};
inline constexpr size_t kAnyClass = request::kClasses;

class Levels {
 public:
  // An entry for the node's leader's rows, in the node's own level and order.
  void push(request::Node* node) noexcept;
  // Whose turn it is among requests of one class, or of any. Entries whose leader has no rows left
  // to run are put aside on the way.
  request::Node* front(size_t wanted_class) noexcept;
  void pop(request::Node* node) noexcept;  // must be what front() gave
  // Counts rows of the level that were served.
  void charge(Priority level, size_t rows) noexcept;

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
    uint32_t filled = 0;  // bit c: classes[c] may not be empty
  };
  request::Node* first_of(Level& level, size_t wanted_class) noexcept;
  void drop(request::Node* node) noexcept;
  void sweep() noexcept;

  std::array<Level, kPriorities> levels_;
  uint64_t virtual_time_ = 0;
  uint64_t arrivals_ = 0;
  size_t entries_ = 0;
  size_t dead_ = 0;
  request::Node* dropped_ = nullptr;
};

}  // namespace spinney::queue
