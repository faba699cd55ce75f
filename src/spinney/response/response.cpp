#include "spinney/response/response.h"

#include <memory>
#include <new>
#include <utility>

namespace spinney::response {

using request::Node;

namespace {

constexpr size_t kAtOnce = 128;

// All is written once, where it is read.
void describe(const Node& node, void* place) noexcept {
  const AnswerBlocks* blocks = node.answer;
  const AnswerShape shape = blocks ? blocks->layout.shape() : AnswerShape{};
  const size_t row_bytes = shape.row_bytes();
  const bool numbers = blocks && blocks->data && row_bytes > 0;
  ::new (place)
      Finished{.context = node.context,
               .error = node.error,
               .answer = {.data = numbers ? blocks->data + node.answer_row * row_bytes : nullptr,
                          .rows = blocks ? node.rows.count : 0,
                          .shape = shape,
                          .object = node.object,
                          .object_row = node.object_row,
                          .blocks = blocks,
                          .first_row = node.answer_row},
               .retry_after_ns = node.retry_after_ns,
               .submitted_ns = node.submitted_ns,
               .started_ns = node.started_ns,
               .finished_ns = node.finished_ns,
               .batch_rows = node.batch_rows,
               .shared = node.shared,
               .from_cache = node.from_cache};
}

// Those that are told at once, made as they are needed: most lists are short.
class Told {
 public:
  void add(Node* node) noexcept {
    describe(*node, at(count_));
    nodes_[count_++] = node;
  }
  void finish(Completion& completion) noexcept {
    completion.finish({at(0), count_});
    for (size_t i = 0; i < count_; ++i) {
      std::destroy_at(at(i));
      nodes_[i]->told = true;
    }
    count_ = 0;
  }

 private:
  Finished* at(size_t i) noexcept { return reinterpret_cast<Finished*>(room_) + i; }

  alignas(Finished) std::byte room_[kAtOnce * sizeof(Finished)];
  Node* nodes_[kAtOnce];
  size_t count_ = 0;
};

}  // namespace

void tell(Node* list) noexcept {
  Told told;
  for (Node* node = list; node; node = node->done_next) node->tell_next = node->done_next;
  while (list) {
    Completion* completion = list->completion;
    Node* others = nullptr;  // in order: those of other completions, and what comes after them
    Node** last_other = &others;
    // The list is read through a second link, so that it stays whole for whoever gives it back.
    // Only so far ahead, lest a long list be read again for each part of it that is told.
    Node* node = list;
    for (size_t looked = 0; node && looked < kAtOnce; ++looked) {
      if (node->completion == completion) {
        told.add(node);
      } else {
        *last_other = node;
        last_other = &node->tell_next;
      }
      node = node->tell_next;
    }
    *last_other = node;
    told.finish(*completion);
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
