// Bytes: memory for what clients send and are sent. It grows, and everything that was ever written
// into it is overwritten with zeros before the memory serves anybody else.
//
//   Bytes in = spares.take(kFirstBytes);
//   char* to = in.grow_by(n);            // null: no memory, or beyond the budget
//   ...
//   spares.give(std::move(in));          // wiped, and kept for the next
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace spinney::server {

// Memory that all connections together may hold beyond their first buffers.
class Budget {
 public:
  explicit Budget(size_t most) : most_(most) {}
  bool take(size_t bytes) noexcept {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most_) return true;
    give(bytes);
    return false;
  }
  void give(size_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  size_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  const size_t most_;
  std::atomic<size_t> used_{0};
};

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(Budget* budget) : budget_(budget) {}
  Bytes(Bytes&& other) noexcept { swap(other); }
  Bytes& operator=(Bytes&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Bytes() { free(); }

  char* data() noexcept { return data_; }
  const char* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  size_t capacity() const noexcept { return capacity_; }
  char* end() noexcept { return data_ + size_; }
  std::string_view text() const noexcept { return {data_, size_}; }

  // Room for so many bytes in all. False, and nothing changes, if there is none.
  bool reserve(size_t capacity) noexcept;
  // Room for n more behind the end, which stays where it is; null if there is none.
  char* room(size_t n) noexcept {
    if (capacity_ - size_ < n && !reserve_more(n)) return nullptr;
    return data_ + size_;
  }
  // What was written there counts.
  void grow(size_t n) noexcept {
    size_ += n;
    if (size_ > dirty_) dirty_ = size_;
  }
  bool append(std::string_view text) noexcept {
    char* to = room(text.size());
    if (!to) return false;
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    grow(text.size());
    return true;
  }
  // Without bytes [first, first + n); what follows moves there.
  void erase(size_t first, size_t n) noexcept;
  void resize_down(size_t size) noexcept { size_ = size; }
  // Whether there was no room for something since this was last forgotten: what many small pieces
  // are appended to is looked at once, at its end.
  bool lacks() const noexcept { return lacks_; }
  void forget_lack() noexcept { lacks_ = false; }
  // Empty, and zeros wherever something was.
  void wipe() noexcept;
  void free() noexcept;

 private:
  bool reserve_more(size_t n) noexcept;
  void swap(Bytes& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(dirty_, other.dirty_);
    std::swap(capacity_, other.capacity_);
    std::swap(budget_, other.budget_);
    std::swap(lacks_, other.lacks_);
  }
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t dirty_ = 0;  // bytes from the begin that may hold something
  size_t capacity_ = 0;
  Budget* budget_ = nullptr;
  bool lacks_ = false;
};

// Empty buffers of one thread, so that a connection which has nothing to keep keeps none.
class Spares {
 public:
  static constexpr size_t kFirstBytes = size_t{16} << 10;
  static constexpr size_t kKeptBytesMax = size_t{256} << 10;
  static constexpr size_t kKept = 64;

  explicit Spares(Budget* budget) : budget_(budget) { spares_.reserve(kKept); }
  // At least kFirstBytes; without any where there is no memory.
  Bytes take() noexcept;
  void give(Bytes bytes) noexcept;

 private:
  Budget* budget_;
  std::vector<Bytes> spares_;
};

}  // namespace spinney::server
