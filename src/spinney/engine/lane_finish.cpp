// How a lane answers: each request once, by whoever claims it first.
#include <algorithm>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using batch::Part;
using request::Node;

namespace {

const Error kExpiredError{Code::kExpired, "the request's deadline passed"};
constexpr int64_t kDueAgainNs = 5 * kMillisecond;

const Error kShutDownError{Code::kShutDown, "the engine was shut down"};

}  // namespace

// From here on nobody else answers this request. Its node goes to `done`, with the caller's hold.
void Lane::claim(Node* node, const Error* error, int64_t now_ns,
                 response::DoneList& done) noexcept {
  Node* leader = node->leader;
  node->answered = true;
  node->error = error;
  node->finished_ns = now_ns;
  node->started_ns = leader->work_started_ns;
  deadlines_.remove(node);
  if (leader->work_started_ns != 0) --begun_;
  done.add(node);
  if (--leader->live > 0) return;
  // Nobody waits for these rows any more.
  if (leader->rows_taken > leader->rows_done) give_up(leader);
  flights_.remove(leader);
  if (leader->charge > 0) leave_queue(leader, leader->charge);
  if (leader->rows_taken < leader->rows.count) levels_.note_dead();
  for (Node* follower = leader->followers; follower;) {
    Node* next = follower->next_follower;
    follower->next_follower = nullptr;
    drop_hold(follower);
    follower = next;
  }
  leader->followers = nullptr;
}

// Batches that run with rows of it need not go on, if nobody waits for their other rows either.
void Lane::give_up(Node* leader) noexcept {
  const auto leave = [](Batch& batch) {
    if (--batch.awaited == 0) batch.abandoned.store(true, std::memory_order_relaxed);
  };
  if (auto* batch = static_cast<Batch*>(leader->scored_by)) leave(*batch);
  leader->scored_by = nullptr;
  for (Batch* batch = leader->cut ? all_batches_ : nullptr; batch; batch = batch->made_before)
    for (const Part& part : batch->parts)
      if (part.leader == leader) leave(*batch);
}

void Lane::fail_members(Node* leader, const Error* error, int64_t now_ns,
                        response::DoneList& done) noexcept {
  leader->failed = true;
  ++leader->holds;
  for (Node* node = leader->followers; node;) {
    Node* next = node->next_follower;
    if (!node->answered) {
      Counters::add(counters_.failed);
      claim(node, error, now_ns, done);
    }
    node = leader->live > 0 ? next : nullptr;
  }
  if (!leader->answered) {
    Counters::add(counters_.failed);
    claim(leader, error, now_ns, done);
  }
  drop_hold(leader);
}

std::atomic<uint64_t>& Lane::count_of(const Error* error) noexcept {
  if (error->code == Code::kCancelled) return counters_.cancelled;
  if (error->code == Code::kExpired) return counters_.expired;
  return counters_.failed;
}

// Everybody who waits for the part's request is answered, if this was its last part or it failed.
void Lane::claim_part(Batch* batch, size_t number, size_t batch_row, int64_t now_ns,
                      response::DoneList& done) noexcept {
  const Part& part = batch->parts[number];
  Node* leader = part.leader;
  leader->rows_done += part.rows;
  leader->scored_by = nullptr;
  if (leader->failed || leader->live == 0) return;
  const backend::ItemError* own = batch->error_of(number);
  const Error* error = own ? &own->error : batch->failed ? batch->told : nullptr;
  if (!error && leader->rows_done < leader->rows.count) return;
  leader->failed = error != nullptr;
  const AnswerBlocks* blocks = error ? nullptr : leader->cut ? &leader->own_answer : &batch->blocks;
  const size_t first_row = leader->cut ? 0 : batch_row;
  const auto answer = [&](Node* node) {
    if (node->answered) return;
    node->answer = blocks;
    node->answer_row = first_row;
    node->batch_rows = batch->rows;
    node->object_row = leader->parcel ? number : batch_row;
    node->object = own ? own->object : batch->output.object;
    node->batch = batch;
    ++batch->deliveries;
    if (error) Counters::add(count_of(error));
    claim(node, error, now_ns, done);
  };
  for (Node* node = leader->followers; node;) {
    Node* next = node->next_follower;
    answer(node);
    node = leader->live > 0 ? next : nullptr;
  }
  answer(leader);
}

// Before its requests are answered, since those who wait for it are counted.
void Lane::count(const Batch& batch, int64_t now_ns) noexcept {
  size_t requests = 0;
  for (const Part& part : batch.parts)
    if (!part.leader->failed) requests += part.leader->live;
  count_->ran({batch.rows, requests, batch.failed, batch.started_ns, batch.gathered_ns,
               batch.scored_ns, now_ns});
}

void Lane::finish_left(Batch* batch) noexcept {
  // Once the lock is let go of, others may hold the last of its requests and let go of the lane.
  const std::shared_ptr<Lane> keeper = shared_from_this();
  remember(*batch);
  finish(batch);
}

void Lane::finish(Batch* batch) noexcept {
  Leavings leavings;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now = shared_.clock->now_ns();
    --running_;
    busy_until_ns_.store(0, std::memory_order_relaxed);
    last_batch_ns_.store(now, std::memory_order_relaxed);
    ++batches_;
    count(*batch, now);
    if (!batch->failed) {
      fit_.add(batch->rows, static_cast<double>(now - batch->started_ns));
      publish_costs();
    }
    // Drained, what is to be tried again is due at once, and who completes a batch takes none.
    more = at_once_ != 0 || shared_.draining.load(std::memory_order_relaxed);
    if (batch->failed) claim_own_errors(batch, now, leavings.done);
    if (batch->failed && halve(batch)) {
      more = true;
    } else {
      put_aside(batch);
      end_piece(batch, now);
      size_t row = 0;
      for (size_t i = 0; i < batch->parts.size(); ++i) {
        if (batch->parts[i].end == Part::End::kOpen) claim_part(batch, i, row, now, leavings.done);
        row += batch->parts[i].rows;
      }
      count_->answered(leavings.done.first());
      for (const Part& part : batch->parts)
        if (part.end != Part::End::kAside) drop_hold(part.leader);
      batch->parts.clear();
      if (batch->deliveries == 0) recycle(batch);
    }
    release_dropped();
    take_leavings(leavings);
  }
  if (more && has_work()) idle().notify();
  tell(leavings);
}

void Lane::expire_due(int64_t now_ns, response::DoneList& done) noexcept {
  while (Node* node = deadlines_.pop_due(now_ns)) {
    Counters::add(counters_.expired);
    claim(node, &kExpiredError, now_ns, done);
  }
}

// The timer first forgets what submitters noted, then looks: whatever is noted afterwards stays
// noted, and whatever was noted before is in the intake by now.
int64_t Lane::tick() noexcept {
  Leavings leavings;
  int64_t next = kNever;
  bool ready_now = false;
  next_due_ns_.exchange(kNever, std::memory_order_seq_cst);
  {
    const std::lock_guard lock(mutex_);
    drain_intake();
    const int64_t now = shared_.clock->now_ns();
    expire_due(now, leavings.done);
    next = deadlines_.next_ns();
    if (paces() && queued_rows_.load() > 0) {
      const int64_t at = start_at_ns();
      ready_now = at <= now;
      if (!ready_now) next = std::min(next, at);
    }
    // One that is due and not taken, for want of memory or a worker, is called out again.
    const int64_t round_at = next_round_ns();
    ready_now |= round_at <= now;
    next = std::min(next, round_at > now ? round_at : now + kDueAgainNs);
    release_dropped();
    take_leavings(leavings);
  }
  if (ready_now) idle().notify();
  tell(leavings);
  int64_t known = next_due_ns_.load(std::memory_order_seq_cst);
  while (next < known && !next_due_ns_.compare_exchange_weak(known, next)) {
  }
  return next_due_ns_.load(std::memory_order_seq_cst);
}

void Lane::claim_all(const Error* error, int64_t now_ns, response::DoneList& done) noexcept {
  for (uint32_t i = 0; i < store_.size(); ++i) {
    Node* node = store_.at(i);
    if (node->serial.load(std::memory_order_acquire) == 0 || node->answered) continue;
    Counters::add(counters_.shut_down);
    claim(node, error, now_ns, done);
  }
  // Entries and halves without anybody to answer go, too.
  take_retry(false, now_ns, done);
  drop_dead_rounds();
  levels_.front(queue::kAnyClass);
  release_dropped();
}

void Lane::shut_down() noexcept {
  Leavings leavings;
  {
    const std::lock_guard lock(mutex_);
    drain_intake();
    claim_all(&kShutDownError, shared_.clock->now_ns(), leavings.done);
    take_leavings(leavings);
  }
  tell(leavings);
}

}  // namespace spinney::engine
