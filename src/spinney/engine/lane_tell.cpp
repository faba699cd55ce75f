// How callers are told, and how nodes and batches go back, once the lock is let go of.
#include <utility>

#include "spinney/engine/lane.h"

namespace spinney::engine {

using batch::Batch;
using request::Node;

void Lane::settle(Node* delivered) noexcept {
  Leavings leavings;
  size_t count = 0;
  size_t posted = 0;
  {
    const std::lock_guard lock(mutex_);
    while (delivered) {
      posted += delivered->may_block && shared_.threads;
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
    take_leavings(leavings);
  }
  if (posted > 0) let_out(posted);
  shared_.leave(count);
  tell(leavings);
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

// It is cleared without the lock: what it holds may have a destructor that comes back here.
void Lane::recycle(Batch* batch) noexcept {
  batch->next = spent_batches_;
  spent_batches_ = batch;
}

void Lane::take_leavings(Leavings& leavings) noexcept {
  leavings.free = std::exchange(free_nodes_, nullptr);
  leavings.spent = std::exchange(spent_batches_, nullptr);
  started_.store(begun_, std::memory_order_relaxed);
}

void Lane::tell(response::DoneList& done) noexcept {
  Leavings leavings;
  leavings.done = done;
  done.take();
  tell(leavings);
}

void Lane::tell(Leavings& leavings) noexcept {
  size_t freed = 0;
  for (Node* node = leavings.free; node; node = node->next) ++freed;
  store_.give_back(leavings.free);
  while (Batch* batch = leavings.spent) {
    leavings.spent = batch->next;
    batch->clear();
    batch->next = cleared_batches_.load(std::memory_order_relaxed);
    while (!cleared_batches_.compare_exchange_weak(batch->next, batch, std::memory_order_release,
                                                   std::memory_order_relaxed)) {
    }
  }
  response::DoneList here;
  response::DoneList elsewhere;
  size_t told = 0;
  for (Node* node = leavings.done.take(); node;) {
    Node* next = node->done_next;
    const bool blocks = node->may_block && shared_.threads;
    if (blocks) node->keeper = shared_from_this();
    (blocks ? elsewhere : here).add(node);
    told += !blocks;
    node = next;
  }
  shared_.mailbox.post(elsewhere.take());
  if (Node* list = here.take()) {
    let_out(told);  // first, so that who is told may come with the next one
    response::tell(list);
    settle(list);
  }
  // Last of all: a lane without nodes may be taken away.
  if (freed > 0) nodes_out_.fetch_sub(freed, std::memory_order_seq_cst);
}

}  // namespace spinney::engine
