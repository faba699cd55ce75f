#include "spinney/request/node_store.h"

#include <new>

namespace spinney::request {

NodeStore::~NodeStore() {
  for (size_t i = 0; i < size() / kChunkNodes; ++i) delete chunks_[i].load();
}

Node* NodeStore::take() noexcept {
  const std::lock_guard lock(mutex_);
  if (!free_) {
    const size_t made = size_.load(std::memory_order_relaxed);
    if (made / kChunkNodes == kChunks) return nullptr;
    auto* chunk = new (std::nothrow) Chunk;
    if (!chunk) return nullptr;
    for (size_t i = kChunkNodes; i-- > 0;) {
      (*chunk)[i].index = static_cast<uint32_t>(made + i);
      (*chunk)[i].next = free_;
      free_ = &(*chunk)[i];
    }
    chunks_[made / kChunkNodes].store(chunk, std::memory_order_release);
    size_.store(made + kChunkNodes, std::memory_order_release);
  }
  Node* node = free_;
  free_ = node->next;
  node->next = nullptr;
  return node;
}

void NodeStore::give_back(Node* list) noexcept {
  if (!list) return;
  Node* last = nullptr;
  for (Node* node = list; node;) {
    Node* next = node->next;
    node->reset();
    node->next = next;
    last = node;
    node = next;
  }
  const std::lock_guard lock(mutex_);
  last->next = free_;
  free_ = list;
}

}  // namespace spinney::request
