// How a lane makes batches, and what it weeds out on the way.
#include <algorithm>
#include <new>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using request::Node;

namespace {

constexpr uint64_t kFirstBatches = 8;  // that keep to initial_batch_size

const Error kExpiredError{Code::kExpired, "the request's deadline passed in the queue"};
const Error kShedError{Code::kThrottled,
                       "overloaded: the request waited for too long and was shed"};
const Error kNoMemoryError{Code::kTooLarge, "no memory to score the request"};

}  // namespace

void Lane::drain_intake() noexcept {
  for (Node* node = intake_.take_all(); node;) {
    Node* next = node->next;
    node->next = nullptr;
    deadlines_.add(node);
    waiting_since_ns_ = std::min(waiting_since_ns_, node->submitted_ns);
    earliest_deadline_ns_ = std::min(earliest_deadline_ns_, node->deadline_ns);
    const bool shares = node->deduplicate && options_.single_flight;
    Node* leader = shares ? flights_.find(node) : nullptr;
    if (leader) {
      follow(node, leader);
    } else {
      node->leader = node;
      node->live = 1;
      if (shares) flights_.add(node);
      levels_.push(node);
      node->best_priority = node->priority;
      node->best_order = node->order;
    }
    node = next;
  }
}

// The follower's rows are not scored. If its turn would come before that of its leader, the
// leader's rows get a second entry in the queue, in the follower's place.
void Lane::follow(Node* node, Node* leader) noexcept {
  node->leader = leader;
  node->next_follower = leader->followers;
  leader->followers = node;
  ++node->holds;
  ++leader->holds;
  ++leader->live;
  if (leader->work_started_ns != 0) count_->started.fetch_add(1, std::memory_order_relaxed);
  node->shared = true;
  leave_queue(node, node->charge);
  if (!leader->has_runnable_rows()) return;
  const int64_t order =
      node->deadline_ns == kNever ? node->submitted_ns + queue::kUndatedNs : node->deadline_ns;
  if (node->priority < leader->best_priority ||
      (node->priority == leader->best_priority && order < leader->best_order)) {
    levels_.push(node);
    leader->best_priority = node->priority;
    leader->best_order = order;
  }
}

void Lane::leave_queue(Node* node, size_t rows) noexcept {
  node->charge -= rows;
  queued_rows_.fetch_sub(rows, std::memory_order_relaxed);
  level_rows_[index_of(node->priority)].fetch_sub(rows, std::memory_order_relaxed);
}

// When those that wait for a larger batch have waited for long enough.
int64_t Lane::ready_at_ns() const noexcept {
  if (options_.batch_timeout_ns == 0 || shared_.draining.load(std::memory_order_relaxed)) return 0;
  const size_t queued = queued_rows_.load(std::memory_order_relaxed);
  if (queued >= options_.min_batch_size) return 0;
  int64_t at = waiting_since_ns_ == kNever ? kNever : waiting_since_ns_ + options_.batch_timeout_ns;
  if (earliest_deadline_ns_ != kNever) {
    const double cost = 2 * fit_.cost_ns(std::max<size_t>(queued, 1));
    at = std::min(at,
                  earliest_deadline_ns_ - static_cast<int64_t>(std::min(cost, 1e15)) - kWakeUpNs);
  }
  return at;
}

bool Lane::ready(int64_t now_ns) const noexcept { return now_ns >= ready_at_ns(); }

size_t Lane::batch_cap() const noexcept {
  const size_t most = options_.max_batch_size;
  if (!options_.join_requests) return 1;  // so that it is full with one request, which is whole
  if (options_.initial_batch_size != 0 && batches_ < kFirstBatches)
    return options_.initial_batch_size;
  if (!fit_.known()) return most;
  if (!options_.adaptive_batch_size) return most;
  return std::clamp(fit_.worthwhile_rows(most), options_.min_batch_size, most);
}

Batch* Lane::new_batch() noexcept {
  if (!free_batches_) free_batches_ = cleared_batches_.exchange(nullptr, std::memory_order_acquire);
  Batch* batch = free_batches_;
  if (batch) {
    free_batches_ = batch->next;
    batch->next = nullptr;
  } else {
    batch = new (std::nothrow) Batch;
    if (!batch) return nullptr;
    batch->made_before = all_batches_;
    all_batches_ = batch;
  }
  // A request of more rows than a batch may have runs in one of its own.
  if (!batch->reserve(options_.max_batch_size)) {
    batch->next = free_batches_;
    free_batches_ = batch;
    return nullptr;
  }
  batch->backend = backend_;
  return batch;
}

void Lane::expire_members(Node* leader, int64_t now_ns, response::DoneList& done) noexcept {
  const auto expire = [&](Node* node) {
    if (node->answered || node->deadline_ns > now_ns) return;
    Counters::add(counters_.expired);
    claim(node, &kExpiredError, now_ns, done);
  };
  for (Node* node = leader->followers; node;) {
    Node* next = node->next_follower;
    expire(node);
    node = leader->live > 0 ? next : nullptr;
  }
  expire(leader);
}

// A wait for the batch that runs and the next one is no overload, however slow the model.
int64_t Lane::shed_target_ns() const noexcept {
  if (options_.shed_target_ns == 0) return 0;
  const double cap = static_cast<double>(cap_.load(std::memory_order_relaxed));
  const double batch =
      row_ns_.load(std::memory_order_relaxed) * cap + batch_ns_.load(std::memory_order_relaxed);
  return std::max(options_.shed_target_ns, static_cast<int64_t>(std::min(2 * batch, 1e15)));
}

bool Lane::sheds(Node* entry, int64_t now_ns, response::DoneList& done) noexcept {
  Node* leader = entry->leader;
  if (leader->rows_taken > 0) return false;
  const int64_t wait = now_ns - entry->submitted_ns;
  const int64_t target = shed_target_ns();
  const int64_t interval = std::max(options_.shed_interval_ns, kTargetsInInterval * target);
  if (!delays_[index_of(entry->priority)].on_turn(now_ns, wait, target, interval)) return false;
  if (leader->live > 1 || leader->answered) return false;  // work that several wait for is worth it
  Counters::add(counters_.shed);
  leader->retry_after_ns = std::max<int64_t>(wait - target, 0);
  claim(leader, &kShedError, now_ns, done);
  return true;
}

// Of a leader's remaining rows. Requests that fit in one batch are never cut.
size_t Lane::rows_to_add(const Batch& batch, const Node& leader, size_t cap) const {
  const size_t left = leader.rows.count - leader.rows_taken;
  const size_t room = cap > batch.rows ? cap - batch.rows : 0;
  if (left <= room) return left;
  if (leader.cut) return room;
  return batch.parts.empty() ? left : 0;
}

// Adds the request whose turn it is. False if the batch should be closed.
bool Lane::add_next(Batch& batch, size_t cap, int64_t now_ns, int64_t& deadline_ns,
                    response::DoneList& done) noexcept {
  const size_t wanted = batch.parts.empty() ? queue::kAnyClass : batch.parts[0].leader->class_of();
  Node* entry = levels_.front(wanted);
  if (!entry) return false;
  Node* leader = entry->leader;
  expire_members(leader, now_ns, done);
  if (!leader->has_runnable_rows() || sheds(entry, now_ns, done)) return true;
  if (!batch.accepts(*leader)) return false;
  const size_t rows = rows_to_add(batch, *leader, cap);
  if (rows == 0) return false;
  // More rows must not make those that are in it already late.
  const int64_t earliest = std::min(deadline_ns, entry->deadline_ns);
  if (!batch.parts.empty() && earliest != kNever && fit_.known()) {
    const double limit = static_cast<double>(earliest - now_ns);
    if (fit_.cost_ns(batch.rows + rows) > limit && fit_.cost_ns(batch.rows) <= limit) return false;
  }
  deadline_ns = earliest;
  batch.add({leader, leader->rows_taken, rows});
  ++leader->holds;
  leader->rows_taken += rows;
  if (leader->work_started_ns == 0) {
    leader->work_started_ns = now_ns;
    count_->started.fetch_add(leader->live, std::memory_order_relaxed);
  }
  leave_queue(leader, std::min(rows, leader->charge));
  levels_.charge(entry->priority, rows);
  if (leader->rows_taken == leader->rows.count) {
    levels_.pop(entry);  // first: a sweep would drop it, as it has lost its purpose now
    if (entry != leader && leader->queued) levels_.note_dead();
    drop_hold(entry);
  }
  return true;
}

Batch* Lane::fill_batch(int64_t now_ns, response::DoneList& done) noexcept {
  if (levels_.empty()) return nullptr;
  Batch* batch = new_batch();
  if (!batch) {
    // Without memory for a batch nothing can run: the next request learns of it, so that all do.
    Node* entry = levels_.front(queue::kAnyClass);
    if (!entry) return nullptr;
    Node* leader = entry->leader;
    fail_members(leader, &kNoMemoryError, now_ns, done);
    return nullptr;
  }
  batch->started_ns = now_ns;
  const size_t cap = batch_cap();
  cap_.store(cap, std::memory_order_relaxed);
  int64_t deadline = kNever;
  while (batch->rows < cap && add_next(*batch, cap, now_ns, deadline, done)) {
  }
  if (!options_.join_requests && batch->rows > 0) cap_.store(batch->rows);  // for estimates
  levels_.sweep_if_worthwhile();
  // What is left has waited already: it need not wait for a larger batch again.
  waiting_since_ns_ = levels_.empty() ? kNever : 0;
  earliest_deadline_ns_ = levels_.empty() ? kNever : earliest_deadline_ns_;
  for (size_t level = 0; level < kPriorities; ++level)
    if (level_rows_[level].load(std::memory_order_relaxed) == 0) delays_[level].on_empty();
  if (batch->parts.empty()) {
    recycle(batch);
    return nullptr;
  }
  batch->shape = batch->parts[0].leader->shape;
  return batch;
}

// A half of a batch that failed; what nobody waits for any more is left out.
Batch* Lane::take_retry(int64_t now_ns, response::DoneList& done) noexcept {
  while (Batch* batch = retries_) {
    retries_ = batch->next;
    batch->next = nullptr;
    retry_count_.fetch_sub(1, std::memory_order_relaxed);
    size_t rows = 0;
    std::erase_if(batch->parts, [&](const batch::Part& part) {
      expire_members(part.leader, now_ns, done);
      if (part.leader->live > 0 && !part.leader->failed) {
        rows += part.rows;
        return false;
      }
      drop_hold(part.leader);
      return true;
    });
    batch->rows = rows;
    batch->started_ns = now_ns;
    if (!batch->parts.empty()) return batch;
    recycle(batch);
  }
  return nullptr;
}

Batch* Lane::take() noexcept {
  Leavings leavings;
  Batch* batch = nullptr;
  {
    const std::lock_guard lock(mutex_);
    drain_intake();
    const int64_t now = shared_.clock->now_ns();
    if (at_once_ == 0 || running_ < at_once_) {
      batch = take_retry(now, leavings.done);
      if (!batch && ready(now)) batch = fill_batch(now, leavings.done);
    }
    if (batch) ++running_;
    release_dropped();
    take_leavings(leavings);
  }
  tell(leavings);
  return batch;
}

bool Lane::could_run() const noexcept {
  if (!has_work()) return false;
  const std::lock_guard lock(mutex_);
  if (at_once_ != 0 && running_ >= at_once_) return false;
  return retries_ || ready(shared_.clock->now_ns());
}

}  // namespace spinney::engine
