// RequestKey: a request as bytes, equal only where the answer is: the lane that is asked, for what,
// and the rows, or what is known to decide their answers (ranks among a forest's thresholds).
//
// Whoever computes an answer that is kept or shared reads the key's own copy of the rows: others
// may write into the caller's meanwhile, and it would be kept under the key of what they were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "spinney/cache/lru_ttl.h"
#include "spinney/request/request.h"
#include "spinney/request/row_buffer.h"

namespace spinney::engine {

// Bytes of a row that are equal only where its answers are, as rank::RowKey writes them; without
// `write`, rows stand for themselves. Neither looks at the type that a row's numbers have.
struct RowKeys {
  size_t row_bytes = 0;
  std::function<void(const Rows& rows, size_t row, uint8_t* to)> write;
};

class RequestKey {
 public:
  static constexpr size_t kBytesMax = size_t{64} << 10;  // larger requests are not kept

  RequestKey() = default;
  ~RequestKey() { clear(); }
  RequestKey(const RequestKey&) = delete;
  RequestKey& operator=(const RequestKey&) = delete;

  // False if it would be too large, or there is no memory.
  bool make(uint32_t lane, OutputSet outputs, const Rows& rows, const RowKeys& row_keys) noexcept;
  // Of a request whose caller says what decides its answer.
  bool make(uint32_t lane, OutputSet outputs, cache::Bytes given) noexcept;
  void clear() noexcept;

  explicit operator bool() const { return size_ != 0; }
  cache::Bytes bytes() const { return {reinterpret_cast<const std::byte*>(data_), size_}; }
  // The copy of the rows, if it was made of rows.
  const Rows& rows() const { return rows_; }

  // What all keys of a lane begin with.
  static cache::Bytes prefix(const uint32_t& lane) {
    return std::as_bytes(std::span<const uint32_t, 1>(&lane, 1));
  }

 private:
  bool reserve(size_t bytes) noexcept;

  char* data_ = nullptr;
  size_t size_ = 0, all_ = 0;  // bytes of the key, and of the rows behind it as well
  Rows rows_;
  request::RowBuffer large_;
  alignas(8) char small_[512];
};

}  // namespace spinney::engine
