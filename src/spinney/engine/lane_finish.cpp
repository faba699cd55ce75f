// How a lane answers: each request once, by whoever claims it first.
#include <algorithm>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using batch::Part;
using request::Node;

namespace {

const Error kExpiredError{Code::kExpired, "the request's deadline passed"};
const Error kShutDownError{Code::kShutDown, "the engine was shut down, or the process forked"};

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
  done.add(node);
  if (--leader->live > 0) return;
  // Nobody waits for these rows any more.
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

// Everybody who waits for the part's request is answered, if this was its last part or it failed.
void Lane::claim_part(Batch* batch, const Part& part, size_t batch_row, int64_t now_ns,
                      response::DoneList& done) noexcept {
  Node* leader = part.leader;
  leader->rows_done += part.rows;
  if (leader->failed || leader->live == 0) return;
  if (!batch->failed && leader->rows_done < leader->rows.count) return;
  leader->failed = batch->failed;
  const char* data = nullptr;
  if (!batch->failed && batch->shape.columns > 0)
    data = leader->cut ? leader->answer_memory.data()
                       : batch->answers.data() + batch_row * batch->shape.row_bytes();
  const auto answer = [&](Node* node) {
    if (node->answered) return;
    node->answer_data = data;
    node->batch_rows = batch->rows;
    node->object_row = batch_row;
    node->object = batch->output.object;
    node->batch = batch;
    ++batch->deliveries;
    Counters::add(batch->failed ? counters_.failed : counters_.answered);
    if (!batch->failed) {
      queue_wait_ns_.record_signed(leader->work_started_ns - node->submitted_ns);
      total_ns_.record_signed(now_ns - node->submitted_ns);
    }
    if (!batch->failed && node->shared) Counters::add(counters_.shared);
    claim(node, batch->failed ? batch->told : nullptr, now_ns, done);
  };
  for (Node* node = leader->followers; node;) {
    Node* next = node->next_follower;
    answer(node);
    node = leader->live > 0 ? next : nullptr;
  }
  answer(leader);
}

// A failed batch of several requests is tried again in two halves, so that those at fault end up
// alone. False if that is not allowed, or there is no memory for it.
bool Lane::halve(Batch* batch) noexcept {
  if (batch->parts.size() < 2 || !backend_->idempotent()) return false;
  Batch* halves[2] = {new_batch(), new_batch()};
  if (!halves[0] || !halves[1]) {
    for (Batch* half : halves)
      if (half) recycle(half);
    return false;
  }
  for (size_t i = 0; i < batch->parts.size(); ++i)
    halves[i < batch->parts.size() / 2 ? 0 : 1]->add(batch->parts[i]);  // with its hold
  for (Batch* half : {halves[1], halves[0]}) {
    half->shape = batch->shape;
    half->next = retries_;
    retries_ = half;
    retry_count_.fetch_add(1, std::memory_order_seq_cst);
  }
  recycle(batch);
  return true;
}

void Lane::finish(Batch* batch) noexcept {
  response::DoneList done;
  Node* free = nullptr;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now = shared_.clock->now_ns();
    --running_;
    ++batches_;
    batch_rows_ += batch->rows;
    run_ns_.record_signed(now - batch->started_ns);
    batch_size_rows_.record(batch->rows);
    if (!batch->failed) {
      fit_.add(batch->rows, static_cast<double>(now - batch->started_ns));
      publish_costs();
    }
    more = at_once_ != 0;
    if (batch->failed && halve(batch)) {
      more = true;
    } else {
      size_t row = 0;
      for (const Part& part : batch->parts) {
        claim_part(batch, part, row, now, done);
        row += part.rows;
      }
      for (const Part& part : batch->parts) drop_hold(part.leader);
      batch->parts.clear();
      if (batch->deliveries == 0) recycle(batch);
    }
    release_dropped();
    free = take_free();
  }
  if (more && has_work()) idle().notify();
  tell(done, free);
}

// The timer first forgets what submitters noted, then looks: whatever is noted afterwards stays
// noted, and whatever was noted before is in the intake by now.
int64_t Lane::tick() noexcept {
  response::DoneList done;
  Node* free = nullptr;
  int64_t next = kNever;
  bool ready_now = false;
  next_due_ns_.exchange(kNever, std::memory_order_seq_cst);
  {
    const std::lock_guard lock(mutex_);
    drain_intake();
    const int64_t now = shared_.clock->now_ns();
    while (Node* node = deadlines_.pop_due(now)) {
      Counters::add(counters_.expired);
      claim(node, &kExpiredError, now, done);
    }
    next = deadlines_.next_ns();
    if (options_.batch_timeout_ns > 0 && queued_rows_.load() > 0) {
      const int64_t at = ready_at_ns();
      ready_now = at <= now;
      if (!ready_now) next = std::min(next, at);
    }
    release_dropped();
    free = take_free();
  }
  if (ready_now) idle().notify();
  tell(done, free);
  int64_t known = next_due_ns_.load(std::memory_order_seq_cst);
  while (next < known && !next_due_ns_.compare_exchange_weak(known, next)) {
  }
  return next_due_ns_.load(std::memory_order_seq_cst);
}

void Lane::shut_down(bool forked) noexcept {
  response::DoneList done;
  Node* free = nullptr;
  {
    const std::lock_guard lock(mutex_);
    drain_intake();
    const int64_t now = shared_.clock->now_ns();
    for (uint32_t i = 0; i < store_.size(); ++i) {
      Node* node = store_.at(i);
      if (node->serial.load(std::memory_order_acquire) == 0) continue;
      if (node->answered) {
        // A thread of the parent was about to tell this one.
        if (!forked || node->told) continue;
        node->error = &kShutDownError;
        node->batch = nullptr;
        done.add(node);
        continue;
      }
      Counters::add(counters_.shut_down);
      claim(node, &kShutDownError, now, done);
    }
    // Entries and halves without anybody to answer go, too.
    take_retry(now, done);
    levels_.front(queue::kAnyClass);
    release_dropped();
    free = take_free();
  }
  tell(done, free);
}

void Lane::settle(Node* delivered) noexcept {
  Node* free = nullptr;
  size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    while (delivered) {
      Node* next = delivered->done_next;
      if (auto* batch = static_cast<Batch*>(delivered->batch)) {
        delivered->batch = nullptr;
        if (--batch->deliveries == 0) recycle(batch);
      }
      delivered->serial.store(0, std::memory_order_release);  // nobody can mean it any more
      drop_hold(delivered);
      delivered = next;
      ++count;
    }
    free = take_free();
  }
  in_flight_.fetch_sub(count, std::memory_order_relaxed);
  shared_.leave(count);
  response::DoneList nothing;
  tell(nothing, free);
}

void Lane::drop_hold(Node* node) noexcept {
  while (--node->holds == 0) {
    Node* leader = node->leader;
    flights_.remove(node);
    node->serial.store(0, std::memory_order_release);
    node->next = free_nodes_;
    free_nodes_ = node;
    if (leader == node) return;
    node = leader;
  }
}

// The queue's holds of entries that lost their purpose.
void Lane::release_dropped() noexcept {
  for (Node* node = levels_.take_dropped(); node;) {
    Node* next = node->next;
    node->next = nullptr;
    drop_hold(node);
    node = next;
  }
}

void Lane::recycle(Batch* batch) noexcept {
  batch->clear();
  batch->next = free_batches_;
  free_batches_ = batch;
}

Node* Lane::take_free() noexcept {
  Node* list = free_nodes_;
  free_nodes_ = nullptr;
  return list;
}

void Lane::tell(response::DoneList& done, Node* free) noexcept {
  size_t freed = 0;
  for (Node* node = free; node; node = node->next) ++freed;
  store_.give_back(free);
  response::DoneList here;
  response::DoneList elsewhere;
  for (Node* node = done.take(); node;) {
    Node* next = node->done_next;
    const bool blocks = node->may_block && shared_.threads;
    if (blocks) node->keeper = shared_from_this();
    (blocks ? elsewhere : here).add(node);
    node = next;
  }
  shared_.mailbox.post(elsewhere.take());
  if (Node* list = here.take()) {
    response::tell(list);
    settle(list);
  }
  // Last of all: a lane without nodes may be taken away.
  if (freed > 0) nodes_out_.fetch_sub(freed, std::memory_order_seq_cst);
}

}  // namespace spinney::engine
