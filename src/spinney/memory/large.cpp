#include "spinney/memory/large.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "spinney/base/wipe.h"

namespace spinney::memory {
namespace {

constexpr std::align_val_t kAlignment{LargeBuffers::kGranule};

size_t capacity_of(size_t bytes) {
  const size_t granules = bytes / LargeBuffers::kGranule + (bytes % LargeBuffers::kGranule != 0);
  return std::max<size_t>(granules, 1) * LargeBuffers::kGranule;
}

void free_block(void* data) { ::operator delete(data, kAlignment); }

}  // namespace

void* LargeBuffers::acquire(size_t bytes) {
  if (bytes > SIZE_MAX / 4) return nullptr;
  const size_t capacity = capacity_of(bytes);
  if (busy_.try_lock()) {
    void* found = nullptr;
    for (size_t i = n_idle_; i-- > 0 && !found;)
      if (idle_[i].capacity == capacity) found = take(i).data;
    busy_.unlock();
    if (found) return found;
  }
  void* data = ::operator new(capacity, kAlignment, std::nothrow);
  if (!data && trim() > 0) data = ::operator new(capacity, kAlignment, std::nothrow);
  if (!data) return nullptr;
#ifdef MADV_HUGEPAGE
  madvise(data, capacity, MADV_HUGEPAGE);  // if the system has none, small pages do
#endif
  return data;
}

void LargeBuffers::give_back(void* data, size_t bytes) noexcept {
  const size_t capacity = capacity_of(bytes);
  wipe(data, bytes);
  std::array<Block, kBlocksMax> gone{};
  size_t n_gone = 0;
  if (capacity > idle_bytes_max_ || !busy_.try_lock()) return free_block(data);
  while (n_idle_ == kBlocksMax || idle_bytes() > idle_bytes_max_ - capacity)
    gone[n_gone++] = take(0);
  idle_[n_idle_++] = {data, capacity};
  idle_bytes_.fetch_add(capacity, std::memory_order_relaxed);
  busy_.unlock();
  for (size_t i = 0; i < n_gone; ++i) free_block(gone[i].data);
}

size_t LargeBuffers::trim(size_t idle_bytes_max) noexcept {
  size_t went = 0;
  while (idle_bytes() > idle_bytes_max) {
    if (!busy_.try_lock()) break;
    const Block block = n_idle_ > 0 ? take(0) : Block{};
    busy_.unlock();
    if (!block.data) break;
    free_block(block.data);
    went += block.capacity;
  }
  return went;
}

LargeBuffers::Block LargeBuffers::take(size_t position) noexcept {
  const Block block = idle_[position];
  std::copy(idle_.begin() + static_cast<ptrdiff_t>(position) + 1,
            idle_.begin() + static_cast<ptrdiff_t>(n_idle_),
            idle_.begin() + static_cast<ptrdiff_t>(position));
  --n_idle_;
  idle_bytes_.fetch_sub(block.capacity, std::memory_order_relaxed);
  return block;
}

}  // namespace spinney::memory
