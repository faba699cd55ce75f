#include "spinney/response/response.h"

#include <array>
#include <utility>

namespace spinney::response {

using request::Node;

namespace {

constexpr size_t kAtOnce = 128;

void describe(const Node& node, Finished& finished) {
  finished.context = node.context;
  finished.error = node.error;
  finished.answer.blocks = node.answer;
  finished.answer.first_row = node.answer_row;
  if (const AnswerBlocks* blocks = node.answer) {
    const AnswerShape& shape = blocks->layout.shape();
    const size_t row_bytes = shape.row_bytes();
    finished.answer.shape = shape;
    finished.answer.data =
        blocks->data && row_bytes > 0 ? blocks->data + node.answer_row * row_bytes : nullptr;
    finished.answer.rows = node.rows.count;
  } else {
    finished.answer.shape = {};
    finished.answer.data = nullptr;
    finished.answer.rows = 0;
  }
  finished.answer.object = node.object;
  finished.answer.object_row = node.object_row;
  finished.retry_after_ns = node.retry_after_ns;
  finished.submitted_ns = node.submitted_ns;
  finished.started_ns = node.started_ns;
  finished.finished_ns = node.finished_ns;
  finished.batch_rows = node.batch_rows;
  finished.shared = node.shared;
  finished.from_cache = node.from_cache;
}

}  // namespace

void tell(Node* list) noexcept {
  std::array<Finished, kAtOnce> finished;
  std::array<Node*, kAtOnce> nodes;
  for (Node* node = list; node; node = node->done_next) node->tell_next = node->done_next;
  while (list) {
    Completion* completion = list->completion;
    Node* others = nullptr;  // in order: those of other completions, and what comes after them
    Node** last_other = &others;
    // The list is read through a second link, so that it stays whole for whoever gives it back.
    // Only so far ahead, lest a long list be read again for each part of it that is told.
    size_t count = 0;
    Node* node = list;
    for (size_t looked = 0; node && looked < kAtOnce; ++looked) {
      if (node->completion == completion) {
        nodes[count] = node;
        describe(*node, finished[count++]);
      } else {
        *last_other = node;
        last_other = &node->tell_next;
      }
      node = node->tell_next;
    }
    *last_other = node;
    completion->finish({finished.data(), count});
    for (size_t i = 0; i < count; ++i) {
      finished[i].answer.object.reset();
      nodes[i]->told = true;
    }
    list = others;
  }
}

void Mailbox::post(Node* list) noexcept {
  uint64_t count = 0;
  Node* last = nullptr;
  Node* reversed = nullptr;
  // Newest first, as the whole box is; deliver() turns it round.
  while (list) {
    Node* next = list->done_next;
    list->done_next = reversed;
    if (!reversed) last = list;
    reversed = list;
    list = next;
    ++count;
  }
  if (count == 0) return;
  pending_.fetch_add(count);
  Node* head = head_.load(std::memory_order_relaxed);
  do {
    last->done_next = head;
  } while (!head_.compare_exchange_weak(head, reversed));
  posts_.fetch_add(1);
  if (sleeping_.load() != 0) futex_wake(posts_);
  // A thread that had claimed its answers before the engine stopped, and was late to post them.
  if (closed_.load()) deliver();
}

bool Mailbox::deliver() noexcept {
  Node* newest_first = head_.exchange(nullptr);
  if (!newest_first) return false;
  Node* list = nullptr;
  while (newest_first) {
    Node* next = newest_first->done_next;
    newest_first->done_next = list;
    list = newest_first;
    newest_first = next;
  }
  tell(list);
  while (list) {
    // A run of nodes of one keeper goes back together. The hold on it ends here, not with the node:
    // one whose part of a failed batch is still to be tried again would keep the lane that keeps
    // it, for good if the engine stopped meanwhile.
    const std::shared_ptr<request::NodeOwner> keeper = std::move(list->keeper);
    Node* last = list;
    uint64_t count = 1;
    while (last->done_next && last->done_next->keeper == keeper) {
      last = last->done_next;
      last->keeper.reset();
      ++count;
    }
    Node* rest = last->done_next;
    last->done_next = nullptr;
    keeper->settle(list);
    pending_.fetch_sub(count);
    list = rest;
  }
  return true;
}

bool Mailbox::wait() noexcept {
  const uint32_t seen = posts_.load();
  if (head_.load()) return true;
  // What was posted before it was closed is seen here; what comes later, its poster delivers.
  if (closed_.load()) return head_.load() != nullptr;
  sleeping_.store(1);
  if (!head_.load() && !closed_.load()) futex_wait(posts_, seen);
  sleeping_.store(0);
  return true;
}

void Mailbox::close() noexcept {
  closed_.store(true);
  posts_.fetch_add(1);
  futex_wake(posts_);
}

}  // namespace spinney::response
