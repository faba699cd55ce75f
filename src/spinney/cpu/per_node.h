// PerNode: one copy of something read-only on each NUMA node, so that threads read what is near.
//
// A page lies on the node of the thread that first writes to it, so each copy is made by a thread
// pinned to a CPU of its node. Where there is one node, or pinning is refused, there is one copy,
// and all threads read it.
#pragma once

#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "spinney/cpu/affinity.h"
#include "spinney/cpu/topology.h"

namespace spinney::cpu {

template <typename T>
class PerNode {
 public:
  // make() -> Result<T>, called once for each of the assignment's nodes (once if it has none). The
  // first error is returned. `pin` false makes every copy where the caller runs: for topologies
  // that are not this machine's.
  template <typename Make>
  static Result<PerNode> on(const Assignment& assignment, Make&& make, bool pin = true) {
    PerNode copies;
    for (const unsigned node : assignment.nodes) {
      std::optional<Result<T>> made;
      const auto build = [&] {
        if (!pin || assignment.nodes.size() == 1) {
          made.emplace(make());
          return;
        }
        const auto pinned = Pinned::to(cpu_of(assignment, node));  // refused: made where it is
        made.emplace(make());
      };
      std::thread(build).join();
      if (!made->ok()) return made->error();
      copies.copies_.emplace(node, std::move(*made).value());
    }
    if (copies.copies_.empty()) {
      SPINNEY_ASSIGN(T only, make());
      copies.copies_.emplace(0, std::move(only));
    }
    return copies;
  }

  // The copy of that node; of a node without one, the first.
  const T& of(unsigned node) const {
    const auto found = copies_.find(node);
    return found == copies_.end() ? first() : found->second;
  }
  // Of the node that the caller was placed on, or runs on.
  const T& near() const { return copies_.size() == 1 ? first() : of(near_node()); }
  const T& first() const { return copies_.begin()->second; }
  bool has(unsigned node) const { return copies_.count(node) > 0; }
  size_t size() const { return copies_.size(); }

 private:
  static unsigned cpu_of(const Assignment& assignment, unsigned node) {
    for (const Place& place : assignment.places)
      if (place.node == node) return place.cpu;
    return 0;
  }

  std::map<unsigned, T> copies_;
};

}  // namespace spinney::cpu
