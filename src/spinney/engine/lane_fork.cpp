// A lane over fork(): the child has its requests and batches, but none of the threads they were
// with.
#include <new>
#include <utility>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using request::Node;

namespace {

const Error kForkedError{Code::kShutDown,
                         "the process forked; the parent answers its own requests"};

}  // namespace

void Lane::lock_for_fork() {
  mutex_.lock();
  store_.mutex().lock();
  equal_visits_.mutex().lock();
}

void Lane::unlock_after_fork(bool in_child) noexcept {
  if (in_child) equal_visits_.forget();
  equal_visits_.mutex().unlock();
  store_.mutex().unlock();
  if (in_child) {
    running_ = 0;
    busy_until_ns_.store(0, std::memory_order_relaxed);
    // Whoever completes one of them here, before the child has begun, is not heard either.
    for (Batch* batch = all_batches_; batch; batch = batch->made_before)
      batch->lost = !batch->parts.empty();
    for (Batch* batch = retries_; batch; batch = batch->next) batch->lost = false;
    new (&own_idle_) Idle;
  }
  mutex_.unlock();
}

// Batches that a thread of the parent runs or delivers will not come back. What they hold is let go
// of as far as it is guarded by the lock; their own memory is left alone, as it may be half
// written.
void Lane::forget_lost_batches() noexcept {
  for (Batch* batch = all_batches_; batch; batch = batch->made_before) batch->lost = true;
  if (Batch* cleared = cleared_batches_.exchange(nullptr)) {
    Batch* last = cleared;
    while (last->next) last = last->next;
    last->next = free_batches_;
    free_batches_ = cleared;
  }
  for (Batch* list : {free_batches_, retries_, spent_batches_})
    for (Batch* batch = list; batch; batch = batch->next) batch->lost = false;
  Batch** link = &all_batches_;
  while (Batch* batch = *link) {
    if (!batch->lost) {
      link = &batch->made_before;
      continue;
    }
    for (const batch::Part& part : batch->parts) drop_hold(part.leader);
    end_piece(batch, 0);
    *link = batch->made_before;
  }
}

// One that its caller was told of, or that submit() answered from the cache and did not return
// from: only the thread that would have given it back is missing.
void Lane::forget_lost_answer(Node* node) noexcept {
  node->batch = nullptr;
  node->serial.store(0, std::memory_order_release);
  drop_hold(node);
}

size_t Lane::end_inherited() noexcept {
  const std::lock_guard lock(mutex_);
  drain_intake();
  size_t count = 0;
  for (uint32_t i = 0; i < store_.size(); ++i) {
    Node* node = store_.at(i);
    const bool admitted = node->serial.load(std::memory_order_acquire) != 0;
    if (node->answered && (admitted ? node->told : node->from_cache && node->holds > 0)) {
      forget_lost_answer(node);
    } else if (admitted && node->answered) {  // a thread of the parent was about to tell it
      node->error = &kForkedError;
      node->batch = nullptr;
      inherited_.done.add(node);
    }
  }
  claim_all(&kForkedError, shared_.clock->now_ns(), inherited_.done);
  forget_lost_batches();
  take_leavings(inherited_);
  size_t out = 0;
  for (uint32_t i = 0; i < store_.size(); ++i) out += store_.at(i)->holds > 0;
  for (const Node* node = inherited_.free; node; node = node->next) ++out;
  for (const Node* node = inherited_.done.first(); node; node = node->done_next) ++count;
  nodes_out_.store(out);
  active_.store(count);
  return count;
}

void Lane::tell_inherited() noexcept {
  Leavings leavings;
  {
    const std::lock_guard lock(mutex_);
    leavings = std::exchange(inherited_, {});
  }
  // What a batch made for one that is told of a failure after all.
  for (Node* node = leavings.done.first(); node; node = node->done_next) node->object.reset();
  tell(leavings);
}

}  // namespace spinney::engine
