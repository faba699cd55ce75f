// RowBuffer: room for rows or answers of one request or batch, grown when needed and kept. What it
// held is overwritten with zeros before anyone else can be given it.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace spinney::request {

// Zeros that the compiler may not drop, though nobody reads them.
inline void wipe(void* data, size_t bytes) {
  if (bytes == 0) return;
  std::memset(data, 0, bytes);
  __asm__ __volatile__("" : : "r"(data) : "memory");
}

class RowBuffer {
 public:
  RowBuffer() = default;
  RowBuffer(const RowBuffer&) = delete;
  RowBuffer& operator=(const RowBuffer&) = delete;
  ~RowBuffer() { clear(); }

  // Room for at least so many bytes; null if there is no memory. What was there is lost.
  char* reserve(size_t bytes) noexcept {
    if (bytes > capacity_) {
      clear();
      data_.reset(
          static_cast<char*>(::operator new(bytes, std::align_val_t(kAlignment), std::nothrow)));
      capacity_ = data_ ? bytes : 0;
    }
    if (bytes > used_ && bytes <= capacity_) used_ = bytes;
    return bytes <= capacity_ ? data_.get() : nullptr;
  }
  char* data() const { return data_.get(); }
  // Zeros, and gives back what is beyond kKeptBytes.
  void clear() noexcept {
    if (used_ > 0) wipe(data_.get(), used_);
    used_ = 0;
    if (capacity_ <= kKeptBytes) return;
    data_.reset();
    capacity_ = 0;
  }

 private:
  static constexpr size_t kAlignment = 64;
  static constexpr size_t kKeptBytes = 1 << 18;
  struct Free {
    void operator()(char* p) const { ::operator delete(p, std::align_val_t(kAlignment)); }
  };
  std::unique_ptr<char, Free> data_;
  size_t capacity_ = 0;
  size_t used_ = 0;
};

}  // namespace spinney::request
