#include "spinney/queue/ordered.h"

#include <utility>

namespace spinney::queue {
namespace {

using request::Node;

bool before(const Node* a, const Node* b) {
  return a->order != b->order ? a->order < b->order : a->arrival < b->arrival;
}

// Trees of a pairing heap: `child` is the first of a node's children, `next` its next sibling.
Node* meld(Node* a, Node* b) {
  if (!a) return b;
  if (!b) return a;
  if (before(b, a)) std::swap(a, b);
  b->next = a->child;
  a->child = b;
  return a;
}

// The children of a removed root become one tree, first in pairs, then from the last pair back.
Node* meld_children(Node* child) {
  Node* pairs = nullptr;
  while (child) {
    Node* a = child;
    Node* b = a->next;
    child = b ? b->next : nullptr;
    a->next = nullptr;
    if (b) b->next = nullptr;
    Node* pair = meld(a, b);
    pair->next = pairs;
    pairs = pair;
  }
  Node* root = nullptr;
  while (pairs) {
    Node* next = pairs->next;
    pairs->next = nullptr;
    root = meld(root, pairs);
    pairs = next;
  }
  return root;
}

}  // namespace

void Ordered::push(Node* node) noexcept {
  node->next = nullptr;
  node->child = nullptr;
  Run& run = runs_[node->order == node->deadline_ns ? 0 : 1];
  if (!run.last) {
    run.first = run.last = node;
  } else if (!before(node, run.last)) {
    run.last->next = node;
    run.last = node;
  } else {
    heap_ = meld(heap_, node);
  }
}

Node* Ordered::front() const noexcept {
  Node* best = heap_;
  for (const Run& run : runs_)
    if (run.first && (!best || before(run.first, best))) best = run.first;
  return best;
}

void Ordered::pop(Node* node) noexcept {
  if (node == heap_) {
    heap_ = meld_children(node->child);
  } else {
    Run& run = runs_[runs_[0].first == node ? 0 : 1];
    run.first = node->next;
    if (!run.first) run.last = nullptr;
  }
  node->next = node->child = nullptr;
}

}  // namespace spinney::queue
