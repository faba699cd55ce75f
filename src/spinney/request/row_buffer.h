// RowBuffer: room for rows or answers of one request or batch, from the process's pool, which zeros
// it when it is handed out and wipes it when it goes back.
#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <vector>

#include "spinney/base/wipe.h"
#include "spinney/memory/pool.h"

namespace spinney::request {

class RowBuffer {
 public:
  // Room for at least so many bytes; null if there is no memory. What was there is gone.
  char* reserve(size_t bytes) noexcept {
    if (bytes <= buffer_.size() && buffer_) return data();
    buffer_.release();
    try {
      if (auto acquired = memory::process_pool().acquire(bytes); acquired.ok())
        buffer_ = std::move(acquired).value();
    } catch (const std::bad_alloc&) {  // not even for the message
    }
    return data();
  }
  char* data() noexcept { return buffer_.as<char>(); }
  void clear() noexcept { buffer_.release(); }

 private:
  memory::Buffer buffer_;
};

// Texts of answers are wiped like the numbers beside them.
inline void wipe_texts(std::vector<std::string>& texts) noexcept {
  for (std::string& text : texts) wipe(text.data(), text.size());
  texts.clear();
}

}  // namespace spinney::request
