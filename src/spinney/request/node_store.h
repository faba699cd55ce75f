// NodeStore: the nodes of one lane, made in chunks and kept until the lane goes.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "spinney/request/node.h"

namespace spinney::request {

class NodeStore {
 public:
  static constexpr size_t kChunkNodes = 64;
  static constexpr size_t kChunks = 1 << 14;  // so at most a million nodes

  // A blank node without a serial; null if there is no memory.
  Node* take() noexcept;
  // A list of nodes linked by `next`, which nobody holds; zeroed here.
  void give_back(Node* list) noexcept;

  Node* at(uint32_t index) const noexcept {
    if (index >= size()) return nullptr;
    return &(*chunks_[index / kChunkNodes].load(std::memory_order_acquire))[index % kChunkNodes];
  }
  // Nodes made so far; at() knows all of them.
  size_t size() const noexcept { return size_.load(std::memory_order_acquire); }

  // fork() must not happen while another thread is in here.
  std::mutex& mutex() { return mutex_; }

  NodeStore() : chunks_(std::make_unique<std::atomic<Chunk*>[]>(kChunks)) {}
  ~NodeStore();

 private:
  using Chunk = std::array<Node, kChunkNodes>;
  std::mutex mutex_;
  Node* free_ = nullptr;
  std::atomic<size_t> size_{0};
  std::unique_ptr<std::atomic<Chunk*>[]> chunks_;
};

}  // namespace spinney::request
