// Ordered: requests of one level and class by (order, arrival), earliest first, without allocating.
//
// Deadlines mostly come in ascending order, and so do requests without one (or with one so far off
// that they count as without): each kind has a run to which it is appended in constant time. What
// would break a run's order goes to a pairing heap.
#pragma once

#include "spinney/request/node.h"

namespace spinney::queue {

class Ordered {
 public:
  void push(request::Node* node) noexcept;
  // The earliest; null if there is none.
  request::Node* front() const noexcept;
  // The first of those that are due by their arrival (but for stragglers, which are in the heap).
  const request::Node* oldest() const noexcept { return runs_[1].first; }
  // Removes `node`, which must be front().
  void pop(request::Node* node) noexcept;
  bool empty() const noexcept { return !runs_[0].first && !runs_[1].first && !heap_; }

 private:
  struct Run {
    request::Node* first = nullptr;
    request::Node* last = nullptr;
  };
  Run runs_[2];  // by the deadline, by the arrival
  request::Node* heap_ = nullptr;
};

}  // namespace spinney::queue
