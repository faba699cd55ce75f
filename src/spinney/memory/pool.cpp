#include "spinney/memory/pool.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>
#include <string>

#include "spinney/base/at_load.h"
#include "spinney/base/spin_flag.h"
#include "spinney/base/thread_index.h"
#include "spinney/base/wipe.h"
#include "spinney/memory/node.h"

namespace spinney::memory {
namespace {

constexpr size_t kLine = 64;
constexpr unsigned kSmallestBits = 8;  // 256 bytes
constexpr size_t kSteps = 4;           // classes between powers of two
constexpr size_t kClassesMax = (64 - kSmallestBits) * kSteps;

// The number of the smallest class that holds so many bytes. Class c holds
// 2^(8 + c / 4) * (1 + (c % 4) / 4) bytes, a multiple of 64.
size_t class_of(size_t bytes) {
  if (bytes <= size_t{1} << kSmallestBits) return 0;
  const auto bits = static_cast<unsigned>(std::bit_width(bytes - 1) - 1);
  const size_t step = size_t{1} << (bits - 2);
  const size_t steps = (bytes - (size_t{1} << bits) + step - 1) / step;
  return (bits - kSmallestBits) * kSteps + steps;
}

size_t bytes_of(size_t size_class) {
  const size_t power = size_t{1} << (kSmallestBits + size_class / kSteps);
  return power + power / kSteps * (size_class % kSteps);
}

void* system_allocate(size_t bytes) {
  return ::operator new(bytes, std::align_val_t(kLine), std::nothrow);
}

void system_deallocate(void* data, size_t) { ::operator delete(data, std::align_val_t(kLine)); }

}  // namespace

// What precedes a buffer's bytes: a line of its own, so that the buffer itself holds nothing of the
// pool's while it is idle.
struct alignas(kLine) Pool::Block {
  Block* next;
  size_t capacity;
  uint32_t shelf;
  uint32_t size_class;

  char* data() { return reinterpret_cast<char*>(this) + kLine; }
  static Block* of(void* data) {
    return reinterpret_cast<Block*>(static_cast<char*>(data) - kLine);
  }
};

struct alignas(kLine) Pool::Shelf {
  SpinFlag busy;
  std::atomic<uint64_t> acquired{0}, reused{0}, discarded{0}, returned{0};
  std::array<Block*, kClassesMax> idle{};  // guarded by `busy`
};

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  release();
  pool_ = std::exchange(other.pool_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void Buffer::release() noexcept {
  if (pool_) pool_->put_back(data_, size_);
  pool_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

Pool::Pool(const PoolOptions& options)
    : options_(options),
      n_shelves_(std::min<size_t>(options.node ? kNodesMax : node_count(), kNodesMax) * kStripes),
      shelves_(std::make_unique<Shelf[]>(n_shelves_)) {
  assert(!options.allocate == !options.deallocate);
  if (!options_.node) options_.node = node_count() > 1 ? &current_node : nullptr;
  if (!options_.allocate) {
    options_.allocate = &system_allocate;
    options_.deallocate = &system_deallocate;
  }
}

Pool::~Pool() {
  assert(in_use_bytes_.load() == 0);
  trim();
}

size_t Pool::class_bytes(size_t bytes) { return bytes_of(class_of(bytes)); }

size_t Pool::current_shelf() const {
  const size_t node = options_.node ? options_.node() % kNodesMax : 0;
  return (node * kStripes + thread_index() % kStripes) % n_shelves_;
}

// Books the bytes as being in use, if they may be.
bool Pool::book(size_t capacity) {
  const size_t before = in_use_bytes_.fetch_add(capacity, std::memory_order_relaxed);
  if (before <= options_.in_use_bytes_max && capacity <= options_.in_use_bytes_max - before)
    return true;
  in_use_bytes_.fetch_sub(capacity, std::memory_order_relaxed);
  return false;
}

Result<Buffer> Pool::acquire(size_t bytes) {
  constexpr size_t kBytesMax = SIZE_MAX / 4;
  const size_t size_class = bytes <= kBytesMax ? class_of(bytes) : 0;
  const size_t capacity = bytes_of(size_class);
  if (bytes > kBytesMax || !book(capacity)) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return too_large("a buffer of " + std::to_string(bytes) + " bytes: the pool has " +
                     std::to_string(in_use_bytes_.load(std::memory_order_relaxed)) +
                     " bytes in use and may have " + std::to_string(options_.in_use_bytes_max));
  }
  const size_t shelf = current_shelf();
  Block* block = take(shelf, size_class);
  if (block) shelves_[shelf].reused.fetch_add(1, std::memory_order_relaxed);
  if (!block) block = make(shelf, size_class, capacity);
  if (!block) {
    in_use_bytes_.fetch_sub(capacity, std::memory_order_relaxed);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return too_large("no memory for a buffer of " + std::to_string(bytes) + " bytes");
  }
  shelves_[shelf].acquired.fetch_add(1, std::memory_order_relaxed);
  // Wiped already when it came back; again, for whoever wrote to it through a pointer kept too
  // long.
  wipe(block->data(), bytes);
  return Buffer(this, block->data(), bytes);
}

Pool::Block* Pool::take(size_t shelf, size_t size_class) {
  Shelf& at = shelves_[shelf];
  if (!at.busy.try_lock()) return nullptr;
  Block* block = at.idle[size_class];
  if (block) at.idle[size_class] = block->next;
  at.busy.unlock();
  if (block) idle_bytes_.fetch_sub(block->capacity, std::memory_order_relaxed);
  return block;
}

Pool::Block* Pool::make(size_t shelf, size_t size_class, size_t capacity) {
  void* memory = options_.allocate(capacity + kLine);
  if (!memory && trim() > 0) memory = options_.allocate(capacity + kLine);
  if (!memory) return nullptr;
  return new (memory)
      Block{nullptr, capacity, static_cast<uint32_t>(shelf), static_cast<uint32_t>(size_class)};
}

void Pool::put_back(void* data, size_t size) noexcept {
  Block* block = Block::of(data);
  wipe(data, size);
  in_use_bytes_.fetch_sub(block->capacity, std::memory_order_relaxed);
  Shelf& home = shelves_[block->shelf];
  home.returned.fetch_add(1, std::memory_order_relaxed);
  if (keep(block)) return;
  home.discarded.fetch_add(1, std::memory_order_relaxed);
  discard(block);
}

bool Pool::keep(Block* block) noexcept {
  const size_t capacity = block->capacity;
  if (capacity > options_.kept_bytes_max) return false;
  // Counted before it is on the shelf, so that a trim() in between cannot subtract it first.
  const size_t before = idle_bytes_.fetch_add(capacity, std::memory_order_relaxed);
  Shelf& home = shelves_[block->shelf];
  const bool fits =
      before <= options_.idle_bytes_max && capacity <= options_.idle_bytes_max - before;
  if ((!fits && !make_room(*block)) || !home.busy.try_lock()) {
    idle_bytes_.fetch_sub(capacity, std::memory_order_relaxed);
    return false;
  }
  block->next = home.idle[block->size_class];
  home.idle[block->size_class] = block;
  home.busy.unlock();
  return true;
}

// The block's bytes are among the idle ones already. Gives up buffers of other sizes, the largest
// first: of its own shelf, and of one other at each call, so that every shelf has its turn.
bool Pool::make_room(const Block& block) noexcept {
  if (block.capacity > options_.idle_bytes_max) return false;
  const size_t other = next_to_evict_.fetch_add(1, std::memory_order_relaxed) % n_shelves_;
  for (const size_t shelf : {size_t{block.shelf}, other})
    while (idle_bytes_.load(std::memory_order_relaxed) > options_.idle_bytes_max) {
      Block* victim = take_largest(shelf, block.size_class);
      if (!victim) break;
      trimmed_.fetch_add(1, std::memory_order_relaxed);
      discard(victim);
    }
  return idle_bytes_.load(std::memory_order_relaxed) <= options_.idle_bytes_max;
}

Pool::Block* Pool::take_largest(size_t shelf, size_t except) noexcept {
  Shelf& at = shelves_[shelf];
  if (!at.busy.try_lock()) return nullptr;
  Block* block = nullptr;
  for (size_t size_class = kClassesMax; size_class-- > 0 && !block;)
    if (size_class != except && at.idle[size_class]) {
      block = at.idle[size_class];
      at.idle[size_class] = block->next;
    }
  at.busy.unlock();
  if (block) idle_bytes_.fetch_sub(block->capacity, std::memory_order_relaxed);
  return block;
}

void Pool::discard(Block* block) noexcept {
  const size_t bytes = block->capacity + kLine;
  options_.deallocate(block, bytes);
}

size_t Pool::trim(size_t idle_bytes_max) {
  size_t went = 0;
  // The largest first: they free the most for the fewest that must be made again.
  for (size_t size_class = kClassesMax; size_class-- > 0;)
    for (size_t shelf = 0; shelf < n_shelves_; ++shelf)
      while (idle_bytes_.load(std::memory_order_relaxed) > idle_bytes_max) {
        Block* block = take(shelf, size_class);
        if (!block) break;
        went += block->capacity;
        trimmed_.fetch_add(1, std::memory_order_relaxed);
        discard(block);
      }
  return went;
}

PoolStats Pool::stats() const {
  const auto read = [](const auto& n) { return n.load(std::memory_order_relaxed); };
  PoolStats stats;
  uint64_t returned = 0;
  for (size_t s = 0; s < n_shelves_; ++s) {
    returned += read(shelves_[s].returned);
    stats.acquired += read(shelves_[s].acquired);
    stats.reused += read(shelves_[s].reused);
    stats.discarded += read(shelves_[s].discarded);
  }
  // Threads go on meanwhile, so differences are kept from falling below zero.
  const auto minus = [](uint64_t a, uint64_t b) { return static_cast<size_t>(a > b ? a - b : 0); };
  stats.refused = read(refused_);
  stats.in_use_buffers = minus(stats.acquired, returned);
  stats.in_use_bytes = read(in_use_bytes_);
  stats.idle_buffers = minus(returned, stats.discarded + stats.reused + read(trimmed_));
  stats.idle_bytes = read(idle_bytes_);
  return stats;
}

Pool& process_pool() {
  static Pool* pool = new Pool;
  return *pool;
}
namespace {
const AtLoad kPool{&process_pool};
}

}  // namespace spinney::memory
