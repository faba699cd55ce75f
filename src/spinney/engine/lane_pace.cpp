// When a lane may start batches, beyond what is queued: paused or spaced by hand, or waiting for
// more.
#include <algorithm>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using request::Node;

// Not before this time a batch of what is queued may start; kNever while paused.
int64_t Lane::start_at_ns() noexcept {
  if (shared_.draining.load(std::memory_order_relaxed)) return 0;
  if (paused_) return kNever;
  const int64_t at = options_.rest_waits ? wait_ends_ns() : ready_at_ns();
  return std::max(at, next_start_ns_);
}

// With rest_waits: when whose turn it is has waited for long enough for others.
int64_t Lane::wait_ends_ns() noexcept {
  if (options_.batch_timeout_ns == 0) return 0;
  const Node* first = levels_.front(queue::kAnyClass);
  if (!first) return 0;
  const size_t cap = batch_cap();
  const size_t enough = options_.full_batches ? cap : std::min(options_.min_batch_size, cap);
  if (class_rows_[first->leader->class_of()] >= enough) return 0;
  const int64_t at = first->submitted_ns + options_.batch_timeout_ns;
  return deadlines_.earliest_ns() < at ? 0 : at;
}

void Lane::note_start(int64_t now_ns) noexcept {
  if (options_.min_batch_interval_ns > 0) next_start_ns_ = now_ns + options_.min_batch_interval_ns;
  // The timer was told of others that had a right to start; of what is left it is told here.
  if (!paces() || levels_.empty()) return;
  if (const int64_t at = start_at_ns(); at > now_ns) note_due(at);
}

// Its deadline was that of its beginning.
void Lane::note_begun(Node* leader) noexcept {
  for (Node* node = leader->followers; node; node = node->next_follower) deadlines_.remove(node);
  deadlines_.remove(leader);
}

// It waits again, and its deadline is its own again, as are those of who waits with it.
void Lane::note_aside(Node* leader) noexcept {
  for (Node* node = leader->followers; node; node = node->next_follower)
    if (!node->answered) deadlines_.add(node);
  if (!leader->answered) deadlines_.add(leader);
}

void Lane::pause(bool paused) noexcept {
  {
    const std::lock_guard lock(mutex_);
    paused_ = paused;
  }
  if (!paused) idle().notify_all();
}

void Lane::limit_batch(size_t rows) noexcept {
  limit_.store(rows, std::memory_order_relaxed);
  idle().notify_all();  // a batch may be full now
}

}  // namespace spinney::engine
