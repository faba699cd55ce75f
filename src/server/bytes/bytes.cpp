#include "server/bytes/bytes.h"

#include <algorithm>
#include <cstdlib>

#include "spinney/base/checked_size.h"
#include "spinney/base/wipe.h"

namespace spinney::server {

bool Bytes::reserve(size_t capacity) noexcept {
  if (capacity <= capacity_) return true;
  if (budget_ && !budget_->take(capacity)) return false;
  // Zeros, so that what others freed is in no buffer either.
  char* larger = static_cast<char*>(std::calloc(capacity, 1));
  if (!larger) {
    if (budget_) budget_->give(capacity);
    return false;
  }
  if (size_ > 0) std::memcpy(larger, data_, size_);
  const size_t size = size_;
  free();
  data_ = larger;
  size_ = dirty_ = size;
  capacity_ = capacity;
  return true;
}

bool Bytes::reserve_more(size_t n) noexcept {
  const auto wanted = checked_sum(size_, n);
  const bool fits =
      wanted &&
      (reserve(std::max({*wanted, capacity_ + capacity_ / 2, size_t{1024}})) || reserve(*wanted));
  if (!fits) lacks_ = true;
  return fits;
}

void Bytes::erase(size_t first, size_t n) noexcept {
  if (n == 0) return;
  std::memmove(data_ + first, data_ + first + n, size_ - first - n);
  size_ -= n;
}

void Bytes::wipe() noexcept {
  if (dirty_ > 0) spinney::wipe(data_, dirty_);
  size_ = dirty_ = 0;
  lacks_ = false;
}

void Bytes::free() noexcept {
  if (!data_) return;
  spinney::wipe(data_, dirty_);
  std::free(data_);
  if (budget_) budget_->give(capacity_);
  data_ = nullptr;
  size_ = dirty_ = capacity_ = 0;
}

Bytes Spares::take() noexcept {
  if (!spares_.empty()) {
    Bytes last = std::move(spares_.back());
    spares_.pop_back();
    return last;
  }
  Bytes made(budget_);
  (void)made.reserve(kFirstBytes);
  return made;
}

void Spares::give(Bytes bytes) noexcept {
  bytes.wipe();
  if (spares_.size() < kKept && bytes.capacity() >= kFirstBytes &&
      bytes.capacity() <= kKeptBytesMax)
    spares_.push_back(std::move(bytes));
}

}  // namespace spinney::server
