#include "server/protocol/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <optional>

#include "spinney/base/checked_size.h"
#include "spinney/base/wipe.h"

namespace spinney::server::protocol {
namespace {

constexpr size_t kStep = size_t{64} << 10;

// zlib keeps the last 32 KiB of what it has expanded, which are wiped like all that clients sent.
// How large a block is stands before it.
constexpr size_t kBefore = alignof(std::max_align_t);

void* take_block(void*, uInt items, uInt size) {
  const auto bytes = checked_product(items, size);
  const auto whole = bytes ? checked_sum(*bytes, kBefore) : std::nullopt;
  auto* block = static_cast<char*>(whole ? ::operator new(*whole, std::nothrow) : nullptr);
  if (!block) return nullptr;
  std::memcpy(block, &*whole, sizeof *whole);
  return block + kBefore;
}

void give_block(void*, void* data) {
  if (!data) return;
  char* block = static_cast<char*>(data) - kBefore;
  size_t whole = 0;
  std::memcpy(&whole, block, sizeof whole);
  wipe(block, whole);
  ::operator delete(block, std::nothrow);
}

class Inflater {
 public:
  // 15 bits of window, and of gzip's header besides; below zero: without zlib's header.
  explicit Inflater(int window) {
    stream_.zalloc = take_block;
    stream_.zfree = give_block;
    made_ = inflateInit2(&stream_, window) == Z_OK;
  }
  ~Inflater() {
    if (made_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  Status run(std::string_view packed, size_t bytes_max, Bytes& body) {
    if (!made_) return Error{Code::kThrottled, "no memory to expand the body"};
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    for (int result = Z_OK; result != Z_STREAM_END;) {
      // One byte more than may be, to see whether there is more.
      const size_t left = bytes_max + 1 - body.size();
      const size_t step = std::min(left, kStep);
      char* to = body.room(step);
      if (!to) return Error{Code::kThrottled, "no memory to expand the body"};
      stream_.next_out = reinterpret_cast<Bytef*>(to);
      stream_.avail_out = static_cast<uInt>(step);
      result = inflate(&stream_, Z_NO_FLUSH);
      body.grow(step - stream_.avail_out);
      if (body.size() > bytes_max)
        return too_large("the body expands to more than " + std::to_string(bytes_max) + " bytes");
      if (result == Z_BUF_ERROR || (result == Z_OK && stream_.avail_in == 0 && stream_.avail_out))
        return invalid_argument("the compressed body is cut short");
      if (result != Z_OK && result != Z_STREAM_END)
        return invalid_argument("the compressed body is damaged");
    }
    if (stream_.avail_in > 0) return invalid_argument("there is more behind the compressed body");
    return {};
  }

 private:
  z_stream stream_{};
  bool made_ = false;
};

bool equals(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() &&
         std::equal(a.begin(), a.end(), lower.begin(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

// "deflate" is zlib's format, and in the mouth of some clients the bare stream.
bool has_zlib_header(std::string_view packed) {
  if (packed.size() < 2) return false;
  const auto first = static_cast<unsigned char>(packed[0]);
  const auto second = static_cast<unsigned char>(packed[1]);
  return (first & 0x0f) == 8 && (first * 256U + second) % 31 == 0;
}

}  // namespace

Coding coding_of(std::string_view value) {
  if (value.empty() || equals(value, "identity")) return Coding::kNone;
  if (equals(value, "gzip") || equals(value, "x-gzip")) return Coding::kGzip;
  return equals(value, "deflate") ? Coding::kDeflate : Coding::kUnknown;
}

Status inflate_body(std::string_view packed, Coding coding, size_t bytes_max, Bytes& body) {
  const int window = coding == Coding::kGzip ? 15 + 16 : has_zlib_header(packed) ? 15 : -15;
  return Inflater(window).run(packed, bytes_max, body);
}

}  // namespace spinney::server::protocol
