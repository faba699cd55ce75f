#include "spinney/engine/request_key.h"

#include <array>
#include <cstring>

#include "spinney/base/checked_size.h"
#include "spinney/base/wipe.h"
#include "spinney/request/pack_rows.h"

namespace spinney::engine {
namespace {

struct Head {
  uint32_t lane = 0;
  uint32_t form = 0;
  OutputSet outputs = 0;
  uint64_t rows = 0, width = 0;
};
static_assert(sizeof(Head) == 32);  // no gaps, and numbers behind it are aligned

enum Form : uint32_t { kFloats = 0, kDoubles, kRowKeys, kGiven };

}  // namespace

void RequestKey::clear() noexcept {
  if (data_ == small_) wipe(small_, all_);
  large_.clear();
  data_ = nullptr;
  size_ = all_ = 0;
}

bool RequestKey::reserve(size_t bytes) noexcept {
  clear();
  data_ = bytes <= sizeof small_ ? small_ : large_.reserve(bytes);
  all_ = data_ ? bytes : 0;
  return data_ != nullptr;
}

bool RequestKey::make(uint32_t lane, OutputSet outputs, const Rows& rows,
                      const RowKeys& row_keys) noexcept {
  const auto row_bytes = checked_product(rows.count, rows.width, size_of(rows.type));
  if (!row_bytes || *row_bytes > kBytesMax || rows.count > kBytesMax) return false;
  const bool own = row_keys.write && row_keys.row_bytes > 0;
  const size_t key_bytes = own ? rows.count * row_keys.row_bytes : *row_bytes;
  if (key_bytes > kBytesMax) return false;
  const size_t rows_at = sizeof(Head) + (own ? (key_bytes + 7) / 8 * 8 : 0);
  if (!reserve(rows_at + *row_bytes)) return false;
  const Form form = own ? kRowKeys : rows.type == NumberType::kFloat64 ? kDoubles : kFloats;
  const Head head{lane, form, outputs, rows.count, rows.width};
  std::memcpy(data_, &head, sizeof head);
  request::pack_rows(rows, data_ + rows_at, rows_);
  if (own)
    for (size_t r = 0; r < rows.count; ++r)
      row_keys.write(rows_, r,
                     reinterpret_cast<uint8_t*>(data_) + sizeof(Head) + r * row_keys.row_bytes);
  size_ = sizeof(Head) + key_bytes;
  return true;
}

bool RequestKey::make(uint32_t lane, OutputSet outputs, cache::Bytes given) noexcept {
  if (given.size() > 2 * kBytesMax || !reserve(sizeof(Head) + given.size())) return false;
  const Head head{lane, kGiven, outputs, 0, 0};
  std::memcpy(data_, &head, sizeof head);
  if (!given.empty()) std::memcpy(data_ + sizeof head, given.data(), given.size());
  size_ = all_;
  return true;
}

}  // namespace spinney::engine
