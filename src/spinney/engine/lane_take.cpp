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
const Error kTooLateError{Code::kExpired,
                          "overloaded: the answer would have come after the request's deadline"};
const Error kShedError{Code::kThrottled,
                       "overloaded: the request waited for too long and was shed"};
const Error kNoMemoryError{Code::kTooLarge, "no memory to score the request"};

}  // namespace

void Lane::drain_intake() noexcept {
  for (Node* node = intake_.take_all(); node;) {
    Node* next = node->next;
    node->next = nullptr;
    deadlines_.add(node);
    class_rows_[node->class_of()] += node->charge;
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
  if (leader->work_started_ns != 0) ++begun_;
  node->shared = true;
  leave_queue(node, node->charge);
  const int64_t order = queue::order_of(node->deadline_ns, node->submitted_ns);
  if (node->priority > leader->best_priority ||
      (node->priority == leader->best_priority && order >= leader->best_order))
    return;
  leader->best_priority = node->priority;
  leader->best_order = order;
  if (leader->has_runnable_rows())
    levels_.push(node);
  else
    promote_retry(leader);
}

void Lane::leave_queue(Node* node, size_t rows) noexcept {
  node->charge -= rows;
  class_rows_[node->class_of()] -= rows;
  if (options_.max_queue_requests != 0 && rows > 0 && node->charge == 0)
    queued_requests_.fetch_sub(1, std::memory_order_relaxed);
  queued_rows_.fetch_sub(rows, std::memory_order_relaxed);
  backlogs_[index_of(node->priority)].remove(node->deadline_ns, node->submitted_ns, rows);
}

// When those that wait for a larger batch have waited for long enough.
int64_t Lane::ready_at_ns() const noexcept {
  if (options_.batch_timeout_ns == 0 || shared_.draining.load(std::memory_order_relaxed)) return 0;
  const size_t queued = queued_rows_.load(std::memory_order_relaxed);
  const size_t limit = limit_.load(std::memory_order_relaxed);
  if (queued >= options_.min_batch_size || (limit != 0 && queued >= limit)) return 0;
  if (waiting_since_ns_ == kNever) return kNever;
  return std::min(waiting_since_ns_ + options_.batch_timeout_ns,
                  start_by_ns(earliest_deadline_ns_, waiting_since_ns_, queued));
}

bool Lane::ready(int64_t now_ns) noexcept { return now_ns >= start_at_ns(); }

size_t Lane::batch_cap() const noexcept {
  const size_t limit = limit_.load(std::memory_order_relaxed);
  const size_t most = limit ? std::min(limit, options_.max_batch_size) : options_.max_batch_size;
  if (!options_.join_requests) return 1;  // so that it is full with one request, which is whole
  if (options_.initial_batch_size != 0 && batches_ < kFirstBatches)
    return std::min(options_.initial_batch_size, most);
  if (!fit_.known()) return most;
  if (!options_.adaptive_batch_size) return most;
  return std::clamp(fit_.worthwhile_rows(most), std::min(options_.min_batch_size, most), most);
}

Batch* Lane::new_batch() noexcept {
  if (!free_batches_) free_batches_ = cleared_batches_.exchange(nullptr, std::memory_order_acquire);
  Batch* batch = free_batches_;
  if (batch) {
    free_batches_ = batch->next;
    batch->next = nullptr;
  } else {
    batch = new (std::nothrow) Batch(*this);
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

// In a queue that stands, and with others to serve instead: its answer would come too late.
bool Lane::too_late(const Node& entry, int64_t now_ns) const noexcept {
  const size_t rows = entry.leader->rows.count;
  const auto left = static_cast<double>(entry.deadline_ns - now_ns);
  if (!fit_.known() || fit_.cost_ns(rows) <= left) return false;
  const double allowed = allowed_ns(static_cast<double>(entry.deadline_ns - entry.submitted_ns));
  return backlogs_[index_of(entry.priority)].rows() > rows &&
         stands(entry.priority, allowed, now_ns);
}

bool Lane::sheds(Node* entry, int64_t now_ns, response::DoneList& done) noexcept {
  Node* leader = entry->leader;
  if (leader->rows_taken > 0 || options_.shed_target_ns == 0) return false;
  if (leader->live > 1 || leader->answered) return false;  // work that several wait for is worth it
  if (entry->deadline_ns != kNever && options_.refuse_too_late) {
    if (!too_late(*entry, now_ns)) return false;
    Counters::add(counters_.expired);
    claim(leader, &kTooLateError, now_ns, done);
    return true;
  }
  queue::Delay& delay = delays_[index_of(entry->priority)];
  if (!delay.overloaded(now_ns)) return false;
  const int64_t wait = now_ns - entry->submitted_ns;
  const int64_t target = shed_target_ns();
  if (wait <= 2 * target) return false;
  delay.on_refused();
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

// More rows must not make those that are in it already late.
bool Lane::fits(const Batch& batch, const Filling& filling, size_t rows, int64_t deadline_ns,
                int64_t now_ns) const noexcept {
  const int64_t earliest = std::min(filling.deadline_ns, deadline_ns);
  if (batch.parts.empty() || earliest == kNever || !fit_.known()) return true;
  const auto limit = static_cast<double>(earliest - now_ns);
  return fit_.cost_ns(batch.rows + rows) <= limit || fit_.cost_ns(batch.rows) > limit;
}

// How many rows may fill a batch out of turn, while requests of another class or size have a better
// claim to the next one: as many as at most double the time for which those wait, which is the
// batch's own cost whatever its rows.
size_t Lane::spare_rows() const noexcept {
  if (!fit_.known() || fit_.batch_ns() <= 0) return 0;
  const double most = static_cast<double>(options_.max_batch_size);
  return static_cast<size_t>(fit_.row_ns() > 0 ? std::min(fit_.batch_ns() / fit_.row_ns(), most)
                                               : most);
}

// Adds the request whose turn it is. False if the batch should be closed.
bool Lane::add_next(Batch& batch, Filling& filling, int64_t now_ns,
                    response::DoneList& done) noexcept {
  const size_t wanted = batch.parts.empty() ? queue::kAnyClass : batch.parts[0].leader->class_of();
  const auto [entry, in_turn] = levels_.next(wanted);
  if (!entry || (!in_turn && batch.parts.empty())) return false;
  Node* leader = entry->leader;
  expire_members(leader, now_ns, done);
  if (!leader->has_runnable_rows() || sheds(entry, now_ns, done)) return true;
  if (!batch.accepts(*leader)) return false;
  const size_t rows = rows_to_add(batch, *leader, filling.cap);
  if (rows == 0) return false;
  const batch::Part part{leader, leader->rows_taken, rows};
  if (options_.max_batch_bytes != 0) {
    const size_t bytes = batch::bytes_of(part);
    if (!batch.parts.empty() && batch.bytes + bytes > options_.max_batch_bytes) return false;
    batch.bytes += bytes;
  }
  const int64_t deadline_ns = options_.deadline_until_run ? kNever : entry->deadline_ns;
  if (!fits(batch, filling, rows, deadline_ns, now_ns)) return false;
  if (!in_turn && filling.spare_rows + rows > spare_rows()) return false;
  filling.spare_rows += in_turn ? 0 : rows;
  filling.deadline_ns = std::min(filling.deadline_ns, deadline_ns);
  batch.add(part);
  ++leader->holds;
  leader->rows_taken += rows;
  if (leader->work_started_ns == 0) {
    leader->work_started_ns = now_ns;
    begun_ += leader->live;
  }
  if (options_.deadline_until_run) note_begun(leader);
  leave_queue(leader, std::min(rows, leader->charge));
  backlogs_[index_of(entry->priority)].note_turn(entry->order, rows);
  if (in_turn) levels_.charge(entry->priority, rows);
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
  measure_waits(now_ns);
  const size_t cap = batch_cap();
  cap_.store(cap, std::memory_order_relaxed);
  Filling filling{.cap = cap};
  while (batch->rows < cap && add_next(*batch, filling, now_ns, done)) {
  }
  if (!options_.join_requests && batch->rows > 0) cap_.store(batch->rows);  // for estimates
  levels_.sweep_if_worthwhile();
  // What is left has waited already: it need not wait for a larger batch again.
  waiting_since_ns_ = levels_.empty() ? kNever : 0;
  earliest_deadline_ns_ = levels_.empty() ? kNever : earliest_deadline_ns_;
  judge_waits(now_ns);
  if (batch->parts.empty()) {
    recycle(batch);
    return nullptr;
  }
  note_start(now_ns);
  return batch;
}

void Lane::note_running(const Batch& batch, int64_t now_ns) noexcept {
  ++running_;
  if (running_ < batches_at_once()) return;
  const double cost = std::min(cost_ns(batch.rows), 1e15);
  busy_until_ns_.store(now_ns + static_cast<int64_t>(cost), std::memory_order_relaxed);
}

// Again where those whose turn it seemed to be were shed or had expired.
Batch* Lane::next_batch(int64_t now_ns, response::DoneList& done) noexcept {
  const bool due = ready(now_ns);
  for (;;) {
    const bool any_retries = retries_ != nullptr;
    if (Batch* batch = take_retry(due, now_ns, done)) return batch;
    if (!due) return nullptr;
    if (Batch* batch = fill_batch(now_ns, done)) return batch;
    if (!any_retries) return nullptr;
  }
}

// Until when somebody waits for it, and how one learns that nobody does (give_up()).
void Lane::note_awaited(Batch& batch) noexcept {
  batch.awaited = batch.parts.size();
  batch.deadline_ns = 0;
  for (const batch::Part& part : batch.parts) {
    Node* leader = part.leader;
    leader->scored_by = leader->cut ? nullptr : &batch;
    if (!leader->answered) batch.deadline_ns = std::max(batch.deadline_ns, leader->deadline_ns);
    for (const Node* node = leader->followers; node; node = node->next_follower)
      if (!node->answered) batch.deadline_ns = std::max(batch.deadline_ns, node->deadline_ns);
  }
}

Batch* Lane::take() noexcept {
  Leavings leavings;
  Batch* batch = nullptr;
  {
    const std::lock_guard lock(mutex_);
    drain_intake();
    const int64_t now = shared_.clock->now_ns();
    if (options_.rest_waits) expire_due(now, leavings.done);
    start_due_rounds(now);
    if (at_once_ == 0 || running_ < at_once_) {
      batch = next_batch(now, leavings.done);
    }
    if (batch) {
      note_running(*batch, now);
      note_awaited(*batch);
    }
    release_dropped();
    take_leavings(leavings);
  }
  tell(leavings);
  return batch;
}

bool Lane::could_run() noexcept {
  if (!has_work()) return false;
  const std::lock_guard lock(mutex_);
  if (at_once_ != 0 && running_ >= at_once_) return false;
  if (retries_) return true;
  return queued_rows_.load(std::memory_order_relaxed) > 0 && ready(shared_.clock->now_ns());
}

}  // namespace spinney::engine
