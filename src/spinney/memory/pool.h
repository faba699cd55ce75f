// Pool: buffers for what lives between a request's arrival and its answer.
//
//   Pool pool({});
//   Result<Buffer> rows = pool.acquire(64 * width * sizeof(float));
//   if (!rows) return rows.error();
//   float* values = rows->as<float>();          // zeros, on a 64-byte line
//                                               // back to the pool, wiped, when rows goes
//
// A buffer is zero when it is handed out and wiped when it comes back, by stores that the compiler
// may not drop, so that one request's rows are never seen by another, nor in memory that is free.
//
// Buffers are kept by size class on shelves, one for each thread (up to kStripes of them, beyond
// which threads share) of each NUMA node, and go back to the shelf that they came from: memory
// stays on the node that touched it first, and a thread that hands its buffers to others finds them
// again. No call waits: if another thread holds a shelf, the system's allocator is used instead.
//
// What is idle is bounded by PoolOptions::idle_bytes_max and given back by trim(); a pool that is
// full gives up idle buffers of other sizes for the one that comes back, so that sizes no longer
// asked for don't hold the place of those that are. What is out is bounded by in_use_bytes_max. A
// pool must outlive its buffers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "spinney/base/result.h"

namespace spinney::memory {

struct PoolOptions {
  size_t idle_bytes_max = size_t{256} << 20;
  size_t in_use_bytes_max = SIZE_MAX;        // acquire() beyond it is kTooLarge
  size_t kept_bytes_max = size_t{16} << 20;  // larger buffers go straight back to the system
  // The calling thread's NUMA node; by default the kernel says. Nodes beyond kNodesMax share.
  unsigned (*node)() = nullptr;
  // Where memory comes from, aligned to 64 bytes; by default the system. nullptr: there is no more.
  void* (*allocate)(size_t bytes) = nullptr;
  void (*deallocate)(void* data, size_t bytes) = nullptr;
};

struct PoolStats {
  uint64_t acquired = 0;   // buffers handed out, ever
  uint64_t reused = 0;     // of those, from a shelf
  uint64_t discarded = 0;  // came back and went to the system: the pool was full, or they too large
  uint64_t refused = 0;    // no memory, or in_use_bytes_max
  size_t in_use_buffers = 0;
  size_t in_use_bytes = 0;  // whole size classes
  size_t idle_buffers = 0;
  size_t idle_bytes = 0;
};

class Pool;

// Memory on loan. Moves, never copies; goes back when it is destroyed.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { release(); }

  void* data() { return data_; }
  const void* data() const { return data_; }
  size_t size() const { return size_; }  // bytes, as asked for
  explicit operator bool() const { return data_ != nullptr; }
  template <typename T>
  T* as() {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 64);
    return static_cast<T*>(data_);
  }
  // Gives it back now.
  void release() noexcept;

 private:
  friend class Pool;
  Buffer(Pool* pool, void* data, size_t size) : pool_(pool), data_(data), size_(size) {}
  Pool* pool_ = nullptr;
  void* data_ = nullptr;
  size_t size_ = 0;
};

class Pool {
 public:
  static constexpr size_t kNodesMax = 8;
  static constexpr size_t kStripes = 16;  // threads of a node with shelves of their own

  explicit Pool(const PoolOptions& options = {});
  ~Pool();  // asserts that every buffer came back
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // At least one byte's worth of zeros. kTooLarge: beyond in_use_bytes_max, or no memory.
  Result<Buffer> acquire(size_t bytes);
  // Gives idle memory back to the system until at most so many bytes are idle; returns the bytes
  // that went.
  size_t trim(size_t idle_bytes_max = 0);
  PoolStats stats() const;

  // Bytes set apart for a buffer of `bytes`: at most a quarter more, and at least 256.
  static size_t class_bytes(size_t bytes);

 private:
  friend class Buffer;
  struct Block;
  struct Shelf;
  Block* take(size_t shelf, size_t size_class);
  Block* make(size_t shelf, size_t size_class, size_t capacity);
  void put_back(void* data, size_t size) noexcept;
  bool keep(Block* block) noexcept;
  bool make_room(const Block& block) noexcept;
  Block* take_largest(size_t shelf, size_t except) noexcept;
  void discard(Block* block) noexcept;
  bool book(size_t capacity);
  size_t current_shelf() const;

  PoolOptions options_;
  size_t n_shelves_;
  std::unique_ptr<Shelf[]> shelves_;
  std::atomic<uint64_t> refused_{0}, trimmed_{0};
  std::atomic<size_t> next_to_evict_{0};  // a shelf
  std::atomic<size_t> in_use_bytes_{0}, idle_bytes_{0};
};

// One for the whole process, for those who are given none. Never destroyed.
Pool& process_pool();

}  // namespace spinney::memory
